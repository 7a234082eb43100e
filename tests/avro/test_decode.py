"""Decode: rules 1 to 3 in their order, and that no bytes whatever raise, hang or fill memory."""

import json
import random
import struct
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from avro_bytes import (
    CODECS,
    COMMANDS,
    FULL,
    HEADER,
    HOSTILE,
    HUGE,
    IDENTIFIERS,
    ITEM_FIELDS,
    KEY,
    NULLS,
    SCHEMAS,
    changed,
    mutated,
    nulls_behind,
    required,
    text,
    varint,
    with_writer,
    written,
)
from hypothesis import given
from hypothesis import strategies as st
from oracle import Rejection, check, decode_update
from values import NOON, an_item, an_update, updates

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.compiled import Compiled
from processor.core.fold import fold
from processor.core.outcome import Accepted, Reason, Rejected
from processor.core.update import SessionUpdate
from processor.formats.updates import Updates
from processor.ports.log import Record
from processor.stages.decode import Decode
from processor.stages.encode import Encode

UPDATES = UpdateCodec(SCHEMAS.updates)
PLAIN = UPDATES.write(an_update())


def record(value: bytes | None, key: bytes | None = KEY) -> Record:
    return Record(partition=3, offset=40, timestamp=NOON, key=key, value=value, headers=[])


def decode(value: bytes | None, key: bytes | None = KEY, codec: UpdateCodec = UPDATES) -> Any:
    return Decode(Updates(codec, {"avro"}), COMMANDS).read(record(value, key))


def reason(outcome: SessionUpdate | Rejected) -> Reason:
    assert isinstance(outcome, Rejected), outcome
    assert outcome.message
    return outcome.reason


def test_a_valid_update_passes_with_its_offset_and_its_total_settled() -> None:
    value = UPDATES.write(an_update(cart_items=[an_item(price=0.1)] * 3, offset=-1))
    assert decode(value) == an_update(cart_items=[an_item(price=0.1)] * 3, total=0.3)


@given(updates())
def test_every_valid_update_passes(update: SessionUpdate) -> None:
    decoded = decode(UPDATES.write(update))
    assert decoded._replace(total=None, offset=0) == update._replace(total=None, offset=0)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"garbage",
        PLAIN[:9],
        PLAIN[:-1],
        PLAIN + b"\x00",
        b"\x00\x00\x00\x00\x01" + PLAIN[10:],
        b"\xc3\x01" + bytes(8) + PLAIN[10:],
        SCHEMAS.snapshots.reader.fingerprint.join([b"\xc3\x01", PLAIN[10:]]),
    ],
)
def test_rule_1_what_is_no_known_update_is_undecodable(value: bytes | None) -> None:
    assert reason(decode(value)) is Reason.UNDECODABLE
    assert reason(decode(value, key=None)) is Reason.UNDECODABLE


@pytest.mark.parametrize(
    "key", [None, b"", b"7:visi", b"07:visit", b"7:visit ", b"8:visit", b"\xff", b"7:Visit"]
)
def test_rule_2_the_key_is_the_sessions(key: bytes | None) -> None:
    assert reason(decode(PLAIN, key)) is Reason.KEY_MISMATCH
    assert reason(decode(UPDATES.write(an_update(event_id="")), key)) is Reason.KEY_MISMATCH


def test_rule_2_the_key_is_utf_8() -> None:
    value = UPDATES.write(an_update(integration_id="é:1"))
    assert decode(value, "7:é:1".encode()) == an_update(integration_id="é:1")


@pytest.mark.parametrize("application_id", [0, -1, 2**31, 2**63 - 1, -(2**63)])
def test_rule_3_an_integer_beyond_32_bits_is_a_value_not_undecodable(application_id: int) -> None:
    value = required(application_id) + NULLS
    assert reason(decode(value, f"{application_id}:visit".encode())) is Reason.INVALID_VALUE


@pytest.mark.parametrize("quantity", [0, -1, 2**31, 2**63 - 1, -(2**63)])
def test_rule_3_so_is_a_quantity(quantity: int) -> None:
    item = text("Mug") + text("mug") + varint(quantity) + struct.pack("<d", 1.0) + bytes(7)
    value = required() + ITEM_FIELDS + varint(1) + item + bytes(1) + nulls_behind("cartItems")
    assert reason(decode(value)) is Reason.INVALID_VALUE


@pytest.mark.parametrize("time", [-1, 253_402_300_800_000, 2**63 - 1, -(2**63)])
def test_rule_3_so_is_a_time_that_no_calendar_has(time: int) -> None:
    value = HEADER + text("e-1") + varint(time) + varint(7) + text("visit") + NULLS
    assert reason(decode(value)) is Reason.INVALID_VALUE


def test_rule_3_so_is_an_empty_id() -> None:
    assert reason(decode(required(integration_id="") + NULLS, b"7:")) is Reason.INVALID_VALUE


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_undecodable_at_no_cost(value: bytes) -> None:
    tracemalloc.start()
    try:
        outcome = decode(value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reason(outcome) is Reason.UNDECODABLE
    assert peak < 200_000 + 10 * len(value)


def test_the_message_does_not_repeat_the_bytes() -> None:
    outcome = decode(HEADER + varint(100_000) + b"\xff" * 100_000)
    assert reason(outcome) is Reason.UNDECODABLE
    assert len(outcome.message) < 200


def test_memory_is_a_small_multiple_of_the_bytes() -> None:
    count = 100_000
    value = (
        required()
        + IDENTIFIERS
        + varint(count)
        + bytes(count)
        + bytes(1)
        + nulls_behind("identifiers")
    )
    tracemalloc.start()
    try:
        assert decode(value).identifiers == [""] * count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(value)


SKIPPED: list[tuple[Any, bytes]] = [
    ({"type": "array", "items": "double"}, varint(HUGE)),
    ({"type": "array", "items": "boolean"}, varint(HUGE)),
    ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 1}}, varint(HUGE)),
    ({"type": "array", "items": "double"}, varint(-1) + varint(-8)),
    ({"type": "array", "items": "double"}, varint(-1) + varint(HUGE)),
    ({"type": "array", "items": "int"}, varint(-1) + varint(0) + varint(HUGE)),
    ({"type": "map", "values": "double"}, varint(HUGE)),
    ({"type": "map", "values": "null"}, varint(HUGE)),
    ("string", varint(HUGE)),
    ("string", varint(-5)),
    ("bytes", varint(3) + b"ab"),
    ("double", b"1234"),
    ("boolean", b""),
    (["null", "double"], varint(7)),
]


@pytest.mark.parametrize(("kind", "tail"), SKIPPED, ids=str)
def test_hostile_bytes_of_a_field_that_is_passed_over_are_undecodable(
    kind: Any, tail: bytes
) -> None:
    writer = changed(SCHEMAS.updates, {"name": "newer", "type": kind})
    codec = UpdateCodec(with_writer(SCHEMAS.updates, writer))
    value = b"\xc3\x01" + writer.fingerprint + PLAIN[10:] + tail
    assert reason(decode(value, codec=codec)) is Reason.UNDECODABLE


def verdict(value: bytes) -> str:
    """Return the reason of the tests' own oracle, or `valid`."""
    try:
        check(decode_update(value))
    except Rejection as rejection:
        return str(rejection.args[0])
    return "valid"


@pytest.mark.parametrize("compiled", CODECS)
def test_damaged_updates_are_rejected_or_valid_as_the_oracle_says(
    compiled: Compiled | None,
) -> None:
    decode = Decode(Updates(UPDATES, {"avro"}), COMMANDS, compiled)
    chance = random.Random(0)
    whole, seen = UPDATES.write(FULL), Counter[str]()
    for _ in range(8_000):
        value = mutated(whole, chance)
        (outcome,) = decode([record(value)])
        named = outcome.reason.value if isinstance(outcome, Rejected) else "valid"
        seen[named] += 1
        if named != Reason.KEY_MISMATCH:
            assert named == verdict(value), value.hex()
    assert set(seen) == {"undecodable", "key-mismatch", "invalid-value", "valid"}


@pytest.mark.parametrize("seed", range(4))
def test_damaged_updates_of_other_writers_are_rejected_or_valid(seed: int) -> None:
    chance = random.Random(seed)
    kinds: list[Any] = [
        "double",
        "string",
        {"type": "array", "items": "double"},
        {"type": "map", "values": ["null", {"type": "array", "items": "long"}]},
    ]
    fields = [{"name": f"newer{place}", "type": kind} for place, kind in enumerate(kinds)]
    writer = changed(SCHEMAS.updates, *fields, total=["null", "float"])
    codec = UpdateCodec(with_writer(SCHEMAS.updates, writer))
    names = [field["name"] for field in json.loads(SCHEMAS.updates.reader.text)["fields"]]
    datum = dict(zip(names, FULL, strict=False))
    more = [1.5, "x", [1.0, 2.0], {"a": None, "b": [1, 2**40]}]
    datum |= {f"newer{place}": value for place, value in enumerate(more)}
    whole = written(writer, datum)
    assert isinstance(decode(whole, codec=codec), SessionUpdate)
    for _ in range(3_000):
        assert isinstance(decode(mutated(whole, chance), codec=codec), SessionUpdate | Rejected)


@given(st.binary(max_size=200), st.sampled_from([b"", HEADER, *map(required, (7, 2**40))]))
def test_any_bytes_are_rejected_or_valid(tail: bytes, start: bytes) -> None:
    assert isinstance(decode(start + tail), SessionUpdate | Rejected)


@pytest.mark.parametrize("seed", range(2))
def test_what_passes_decode_can_be_folded_and_encoded(seed: int) -> None:
    chance = random.Random(seed)
    whole, encode = UPDATES.write(FULL), Encode(SnapshotCodec(SCHEMAS.snapshots))
    accepted = 0
    for _ in range(3_000):
        update = decode(mutated(whole, chance))
        outcome = None if isinstance(update, Rejected) else fold(None, update, None)
        if isinstance(outcome, Accepted):
            value = encode(outcome.session)
            assert SnapshotCodec(SCHEMAS.snapshots).read(value).total == outcome.session.total
            accepted += 1
    assert accepted


def test_a_rejection_is_told_alike_each_time() -> None:
    """It travels in a dead letter's header: two folds of the same bytes make the same letter."""
    cut = HOSTILE["a double cut off"]
    assert decode(cut) == decode(cut)
    assert decode(cut).message.endswith("SessionUpdate: it ends too early")
    assert "0x" not in decode(cut).message
