"""Between bytes and values: round trips, exact bytes, other versions' writers."""

import json
import struct
from typing import Any

import golden
import oracle
import pytest
from avro_bytes import HEADER, SCHEMAS, changed, text, varint, with_writer, written
from hypothesis import given
from hypothesis import strategies as st
from values import NOON, a_session, accepted, an_item, an_update, updates

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.framing import DecodeError, single_object
from processor.avro.schemas import Known, read_schema
from processor.core.fold import fold
from processor.core.memory import event_hash
from processor.core.update import SessionUpdate
from processor.errors import FailClosed

UPDATES = UpdateCodec(SCHEMAS.updates)
SNAPSHOTS = SnapshotCodec(SCHEMAS.snapshots)
OLDER = read_schema((oracle.SCHEMAS / "history" / "SessionUpdate.1.avsc").read_text("utf-8"))
PREFIXES = json.loads((golden.CONTRACT / "schemas.json").read_text("utf-8"))
GOLDEN_UPDATE = bytes.fromhex(PREFIXES["schemas/SessionUpdate.avsc"]["prefix"])
GOLDEN_SNAPSHOT = bytes.fromhex(PREFIXES["schemas/CustomerSession.avsc"]["prefix"])
"""Changing these breaks every reader that knows the schemas by fingerprint: on purpose only, and
with the former schema kept in `schemas/history/`."""


def datum(known: Known, **fields: bytes) -> bytes:
    """Return these fields' bytes in the schema's order, a zero for each other: null or empty."""
    names = [field["name"] for field in json.loads(known.reader.text)["fields"]]
    assert fields.keys() <= set(names)
    return b"".join(fields.get(name, bytes(1)) for name in names)


def double(number: float) -> bytes:
    return struct.pack("<d", number)


@given(updates())
def test_an_update_comes_back_as_it_was(update: SessionUpdate) -> None:
    assert UPDATES.read(UPDATES.write(update), update.offset) == update


@given(updates(states=st.none() | st.just("open")))
def test_a_session_comes_back_as_it_was_and_to_the_same_bytes(update: SessionUpdate) -> None:
    session = accepted(fold(a_session(), update._replace(event_id="new"), None))
    session = session._replace(total=session.total + 0.0)
    value = SNAPSHOTS.write(session)
    assert SNAPSHOTS.read(value) == session
    assert SNAPSHOTS.write(SNAPSHOTS.read(value)) == value


@given(st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("<d", n.to_bytes(8, "little"))[0]))
def test_every_double_keeps_its_bits(number: float) -> None:
    value = UPDATES.write(an_update(total=number, discounts={"a": number}))
    update = UPDATES.read(value, 0)
    assert update.total is not None
    assert update.discounts is not None
    assert [double(update.total), double(update.discounts["a"] or 0.0)] == [
        double(number),
        double(number or 0.0),
    ]
    session = a_session(total=number, cart_items=[an_item(price=number)])
    again = SNAPSHOTS.read(SNAPSHOTS.write(session))
    assert double(again.total) == double(again.cart_items[0]["price"]) == double(number)


def test_the_bytes_of_an_update() -> None:
    update = an_update(state="closed", identifiers=["é"], total=0.1, discounts={"a": None})
    assert HEADER == GOLDEN_UPDATE
    assert UPDATES.write(update) == GOLDEN_UPDATE + datum(
        SCHEMAS.updates,
        eventId=text("e-1"),
        eventTime=varint(NOON),
        applicationId=varint(7),
        integrationId=text("visit"),
        state=varint(1) + varint(1),  # closed
        identifiers=varint(1) + varint(1) + text("é") + bytes(1),  # no further block
        total=varint(1) + double(0.1),
        discounts=varint(1) + varint(1) + text("a") + bytes(2),  # null, and no further block
    )


def test_the_bytes_of_a_snapshot() -> None:
    session = a_session(state="cancelled", previous_state="open", cart_items=[an_item(weight=1.5)])
    item = text("Mug") + text("mug") + varint(1) + double(9.5) + bytes(1)  # no category
    assert SNAPSHOTS.write(session) == GOLDEN_SNAPSHOT + datum(
        SCHEMAS.snapshots,
        integrationId=text("visit"),
        created=varint(NOON),
        applicationId=varint(7),
        state=varint(2),  # cancelled
        cartItems=varint(1) + item + varint(1) + double(1.5) + bytes(5) + bytes(1),
        total=double(0.0),
        firstSession=b"\x01",
        previousState=varint(1) + varint(0),  # open
        version=varint(1),
        updated=varint(NOON),
        lastEventId=text("e-0"),
        inputOffset=varint(39),
        eventMemory=varint(8) + event_hash("e-0"),
    )


def test_the_order_of_keys_is_the_order_of_the_maps() -> None:
    forth = SNAPSHOTS.write(a_session(attributes={"a": "1", "b": "2"}))
    back = SNAPSHOTS.write(a_session(attributes={"b": "2", "a": "1"}))
    assert forth != back
    assert list(SNAPSHOTS.read(back).attributes) == ["b", "a"]


def test_an_absent_optional_field_of_a_cart_item_is_written_as_null() -> None:
    bare: Any = {"name": "Mug", "sku": "mug", "quantity": 1, "price": 9.5}
    value = SNAPSHOTS.write(a_session(cart_items=(bare,)))
    assert SNAPSHOTS.read(value).cart_items == [an_item()]


OLD_ITEM = {"name": "Mug", "sku": "mug", "quantity": 1, "price": 9.5}
OLD_UPDATE = {
    "eventId": "e-1",
    "eventTime": NOON,
    "applicationId": 7,
    "integrationId": "visit",
    "profileId": None,
    "coupon": "A",
    "state": "open",
    "cartItems": [OLD_ITEM],
    "identifiers": None,
    "total": 0.1,
    "attributes": {"a": None},
}


def test_an_older_writers_update_is_resolved() -> None:
    assert UPDATES.read(written(OLDER, OLD_UPDATE), 40) == an_update(
        coupon="A",
        state="open",
        cart_items=[an_item()],
        total=struct.unpack("<f", struct.pack("<f", 0.1))[0],
        attributes={"a": None},
    )


def test_an_older_writers_integer_becomes_a_double() -> None:
    writer = changed(SCHEMAS.updates, total=["null", "long"])
    value = written(writer, {**OLD_UPDATE, "total": 12})
    total = UpdateCodec(with_writer(SCHEMAS.updates, writer)).read(value, 0).total
    assert isinstance(total, float)
    assert total == 12.0


EVERY_KIND: list[tuple[Any, Any]] = [
    ("null", None),
    ("boolean", True),
    ("int", -3),
    ("long", 2**40),
    ("float", 1.5),
    ("double", 1.5),
    ("bytes", b"abc"),
    ("string", "abc"),
    (["null", "string"], "abc"),
    ({"type": "fixed", "name": "F", "size": 3}, b"abc"),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B"),
    ({"type": "array", "items": "double"}, [1.0, 2.0]),
    ({"type": "map", "values": "float"}, {"a": 1.0}),
    ({"type": "long", "logicalType": "timestamp-micros"}, 2**62),
    ("CartItem", OLD_ITEM),
    ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}, {"a": 1}),
]


@pytest.mark.parametrize(("kind", "value"), EVERY_KIND, ids=str)
def test_a_newer_writers_field_is_passed_over(kind: Any, value: Any) -> None:
    writer = changed(SCHEMAS.updates, {"name": "newer", "type": kind})
    codec = UpdateCodec(with_writer(SCHEMAS.updates, writer))
    whole = written(writer, {**OLD_UPDATE, "total": None, "newer": value})
    assert (
        codec.read(whole, 40)
        == codec.read(UPDATES.write(codec.read(whole, 40)), 40)
        == an_update(coupon="A", state="open", cart_items=[an_item()], attributes={"a": None})
    )
    for left in range(10, len(whole)):
        with pytest.raises(DecodeError):
            codec.read(whole[:left], 40)
    with pytest.raises(DecodeError, match="1 bytes are left over"):
        codec.read(whole + b"\x00", 40)


def test_a_newer_writers_unknown_state_is_undecodable_and_its_others_are_not() -> None:
    enum = {"type": "enum", "name": "State", "symbols": ["paused", "open", "closed", "cancelled"]}
    writer = changed(SCHEMAS.updates, state=["null", enum])
    codec = UpdateCodec(with_writer(SCHEMAS.updates, writer))
    assert codec.read(written(writer, {**OLD_UPDATE, "state": "closed"}), 0).state == "closed"
    with pytest.raises(DecodeError, match="paused"):
        codec.read(written(writer, {**OLD_UPDATE, "state": "paused"}), 0)


def test_a_writer_without_a_required_field_is_undecodable() -> None:
    fields = [{"name": "eventId", "type": "string"}]
    document = {"type": "record", "name": "SessionUpdate", "fields": fields}
    writer = read_schema(json.dumps(document))
    codec = UpdateCodec(with_writer(SCHEMAS.updates, writer))
    with pytest.raises(DecodeError, match="eventTime: it is not written, and has no default"):
        codec.read(written(writer, {"eventId": "e-1"}), 0)


def test_a_newer_writers_snapshot_is_read() -> None:
    writer = changed(SCHEMAS.snapshots, {"name": "newer", "type": "string"})
    codec = SnapshotCodec(with_writer(SCHEMAS.snapshots, writer))
    own = SNAPSHOTS.write(a_session(coupon="A"))
    value = single_object(writer.fingerprint) + own[10:] + text("x")
    assert codec.read(value) == a_session(coupon="A")
    assert codec.write(codec.read(value)) == own


def test_an_unknown_writers_snapshot_stops_with_what_to_do() -> None:
    with pytest.raises(FailClosed, match="0102030405060708") as error:
        SNAPSHOTS.read(b"\xc3\x01" + bytes(range(1, 9)) + b"datum")
    assert "PROCESSOR_SCHEMAS_DIR" in error.value.hint


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x00\x01", GOLDEN_SNAPSHOT, b"Obj\x01"])
def test_a_damaged_snapshot_is_an_error_that_says_so(value: bytes) -> None:
    with pytest.raises(FailClosed, match="a snapshot cannot be read"):
        SNAPSHOTS.read(value)
