"""The compiled codec: the values, bytes and verdicts of fastavro, or no answer at all."""

import random
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from avro_bytes import (
    FAST,
    FULL,
    HEADER,
    HOSTILE,
    SCHEMAS,
    mutated,
    needs_compiled,
    required,
    text,
    varint,
)
from hypothesis import given
from hypothesis import strategies as st
from values import a_session, accepted, an_item, an_update, updates

from processor.avro.choice import MODULE, chosen
from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.compiled import Compiled
from processor.avro.framing import DecodeError
from processor.core.fold import fold
from processor.core.session import Session
from processor.core.update import SessionUpdate, SoundUpdate
from processor.core.validate import validate
from processor.errors import ConfigError, FailClosed

pytestmark = needs_compiled
COMPILED = cast("Compiled", FAST)
SLOW_UPDATES, FAST_UPDATES = UpdateCodec(SCHEMAS.updates), UpdateCodec(SCHEMAS.updates, None, FAST)
SLOW = SnapshotCodec(SCHEMAS.snapshots)
QUICK = SnapshotCodec(SCHEMAS.snapshots, compiled=FAST)
START = len(HEADER)
NO_CART = bytes(4)


def bits(value: Any) -> Any:
    """Return the value in a form in which equal means equal to the bit, NaN and order included."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return [(key, bits(each)) for key, each in value.items()]
    if isinstance(value, str | bytes) or value is None:
        return value
    if isinstance(value, int):
        return type(value), value
    return [bits(each) for each in value]


def verdict(codec: UpdateCodec, value: bytes) -> Any:
    """Return what the codec and rule 3 together make of the bytes."""
    try:
        update = codec.read(value, 40)
    except DecodeError as error:
        return str(error)
    return bits(validate(update))


def same(value: bytes) -> None:
    assert verdict(FAST_UPDATES, value) == verdict(SLOW_UPDATES, value), value.hex()


def restored(codec: SnapshotCodec, value: bytes) -> Any:
    try:
        session = codec.read(value)
    except FailClosed as error:
        return error.message
    return bits(session), codec.write(session)


@given(updates())
def test_every_valid_update_is_read_by_it_and_alike(update: SessionUpdate) -> None:
    value = SLOW_UPDATES.write(update)
    read = COMPILED.read_update(value, START, 40)
    assert read is not None
    assert type(read) is SoundUpdate
    assert validate(read) is read
    assert bits(read) == bits(validate(SLOW_UPDATES.read(value, 40)))
    same(value)


@given(updates(states=st.none() | st.just("open")))
def test_every_session_is_written_and_read_by_it_and_alike(update: SessionUpdate) -> None:
    slow = accepted(fold(a_session(), update._replace(event_id="new"), None))
    value = SLOW.write(slow)
    read = COMPILED.read_snapshot(value, START)
    assert read is not None
    assert bits(read) == bits(slow)
    assert type(read) is Session
    assert COMPILED.write_snapshot(read, value[:START]) == value


@pytest.mark.parametrize("seed", range(4))
def test_damaged_updates_have_one_verdict(seed: int) -> None:
    chance = random.Random(seed)
    whole, taken = SLOW_UPDATES.write(FULL), 0
    for _ in range(5_000):
        value = mutated(whole, chance)
        same(value)
        taken += COMPILED.read_update(value, START, 40) is not None
    assert taken, "the compiled codec took none of them"


@pytest.mark.parametrize("seed", range(2))
def test_damaged_snapshots_have_one_verdict(seed: int) -> None:
    chance = random.Random(seed)
    whole = SLOW.write(accepted(fold(None, FULL._replace(attributes={"a": "1"}), None)))
    for _ in range(5_000):
        value = mutated(whole, chance)
        assert restored(QUICK, value) == restored(SLOW, value), value.hex()


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_left_to_fastavro(value: bytes) -> None:
    assert COMPILED.read_update(value, START, 40) is None
    same(value)


@given(st.binary(max_size=200))
def test_any_bytes_have_one_verdict(tail: bytes) -> None:
    same(required() + tail)


ITEM = text("Mug") + text("mug") + varint(1) + struct.pack("<d", 9.5) + bytes(7)
LINE = ITEM[:-1] + varint(1)
ODD = {
    "a long varint": HEADER + b"\x86\x00e-1" + required()[START + 4 :] + bytes(9),
    "an id beyond 32 bits": required(2**31) + bytes(9),
    "a wrapped union": required() + varint(-1) + text("p") + bytes(8),
    "a wrapped enum": required() + bytes(3) + varint(1) + varint(-1) + bytes(5),
    "two blocks": required() + NO_CART + varint(1) + (varint(1) + ITEM) * 2 + bytes(5),
    "a negative block": required()
    + NO_CART
    + varint(1)
    + varint(-1)
    + varint(26)
    + ITEM
    + bytes(5),
    "a key twice": required()
    + bytes(8)
    + (varint(1) + varint(2) + (text("a") + bytes(1)) * 2 + b"\x00"),
    "a key twice in a line": required()
    + NO_CART
    + (varint(1) + varint(1) + LINE + varint(2) + (text("a") + text("1")) * 2 + bytes(2))
    + bytes(4),
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_what_is_not_canonical_is_left_to_fastavro(value: bytes) -> None:
    SLOW_UPDATES.read(value, 40)
    assert COMPILED.read_update(value, START, 40) is None
    same(value)


UNSOUND: list[tuple[dict[str, Any], str]] = [
    ({"event_id": ""}, "eventId"),
    ({"integration_id": ""}, "integrationId"),
    ({"application_id": 0}, "applicationId"),
    ({"event_time": -1}, "eventTime"),
    ({"event_time": 253_402_300_800_000}, "eventTime"),
    ({"total": float("nan")}, "total"),
    ({"attributes": {"a": "nope"}}, "attributes['a']"),
    ({"discounts": {"a": float("-inf")}}, "discounts['a']"),
    ({"cart_items": [an_item(price=1e308)] * 2}, "the sum of cartItems"),
    *(
        ({"cart_items": [an_item(), an_item(**change)]}, "cartItems[1]")
        for change in (
            {"sku": ""},
            {"quantity": 0},
            {"price": float("inf")},
            {"weight": float("nan")},
            {"attributes": {"a": "nope"}},
            {"attributes": {"a": '"a"b"'}},
            {"attributes": {"a": '"\n"'}},
            {"attributes": {"a": "[" * 65 + "]" * 65}},
            {"attributes": {"a": ""}},
            {"attributes": {"a": '"'}},
        )
    ),
]


@pytest.mark.parametrize(("change", "named"), UNSOUND, ids=str)
def test_an_unsound_update_is_for_rule_3_to_name(change: dict[str, Any], named: str) -> None:
    value = SLOW_UPDATES.write(an_update(**change))
    assert COMPILED.read_update(value, START, 40) is None
    wrong = verdict(FAST_UPDATES, value)
    assert isinstance(wrong, str)
    assert wrong.startswith(named)
    same(value)


@given(st.floats(allow_nan=False), st.integers(1, 2**31 - 1))
def test_a_sum_is_rounded_alike(price: float, quantity: int) -> None:
    same(SLOW_UPDATES.write(an_update(cart_items=[an_item(price=price, quantity=quantity)])))


@given(st.floats(0, 2**53 / 1e6), st.floats(0, 1e-5))
def test_a_small_sum_is_rounded_alike(price: float, more: float) -> None:
    items = [an_item(price=price), an_item(price=more)]
    same(SLOW_UPDATES.write(an_update(cart_items=items)))


@pytest.mark.parametrize("total", [-0.0, 0.0, 12.5, 1e-7, -1e300])
def test_a_given_total_is_settled_alike(total: float) -> None:
    same(SLOW_UPDATES.write(an_update(cart_items=[an_item(price=1e308)] * 2, total=total)))


def test_a_sound_cart_stays_packed_through_the_fold_to_the_same_bytes() -> None:
    items = [an_item(price=0.1, attributes={"a": '{"b":[1]}'})] * 3
    value = SLOW_UPDATES.write(an_update(cart_items=items))
    valid = validate(FAST_UPDATES.read(value, 40))
    assert isinstance(valid, SessionUpdate)
    session = accepted(fold(None, valid, None))
    assert not isinstance(session.cart_items, list)
    assert session.total == 0.3
    assert len(session.cart_items) == 3
    assert session.cart_items == items
    assert session.cart_items[-1] == items[-1]
    assert QUICK.write(session) == SLOW.write(session)
    assert QUICK.read(QUICK.write(session)).cart_items == session.cart_items


@pytest.mark.parametrize(
    "change",
    [
        {"total": 1},
        {"discounts": {"a": 1}},
        {"identifiers": ("a",)},
        {"cart_items": [an_item()]},
        {"application_id": 2**31},
        {"first_session": 1},
    ],
    ids=str,
)
def test_a_session_of_other_types_is_left_to_fastavro(change: dict[str, Any]) -> None:
    session = a_session(**change)
    assert COMPILED.write_snapshot(session, b"") is None
    assert QUICK.write(session) == SLOW.write(session)


def test_text_that_is_not_unicode_raises_alike() -> None:
    for codec in (SLOW, QUICK):
        with pytest.raises(UnicodeEncodeError):
            codec.write(a_session(coupon="\ud800"))


PLENTY = 500_000
SWOLLEN = {
    "identifiers": bytes(5) + varint(1) + varint(PLENTY) + bytes(PLENTY),
    "attributes": bytes(7) + varint(1) + varint(PLENTY) + bytes(2 * PLENTY),
    "a line's attributes": bytes(4)
    + (varint(1) + varint(1) + LINE + varint(PLENTY) + bytes(2 * PLENTY)),
    "a cart": bytes(4) + varint(1) + varint(PLENTY) + ITEM * (PLENTY // 25),
    "a count": bytes(4) + varint(1) + varint(2**60) + bytes(PLENTY),
}
MEASURE = """
import resource, sys, session_processor_codec
from pathlib import Path
value = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
codec = session_processor_codec.Codec(None, None, None)
assert codec.read_update(value, 0, 40) is None
used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
assert used < 32 * len(value) + (1 << 20), used / len(value)
"""


@pytest.mark.parametrize("tail", SWOLLEN.values(), ids=SWOLLEN)
def test_memory_is_a_small_multiple_of_the_bytes(tail: bytes, tmp_path: Path) -> None:
    """Run apart: what the compiled codec allocates is seen by the system alone."""
    file = tmp_path / "value"
    file.write_bytes(required()[START:] + tail)
    subprocess.run([sys.executable, "-c", MEASURE, str(file)], check=True, timeout=60)


def test_the_choice_is_the_users_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen("auto", SCHEMAS).name == chosen("compiled", SCHEMAS).name == "compiled"
    assert chosen("fastavro", SCHEMAS).compiled is None
    other = ModuleType(MODULE)
    vars(other).update(UPDATE=SCHEMAS.updates.reader.fingerprint, SNAPSHOT=bytes(8))
    monkeypatch.setitem(sys.modules, MODULE, other)
    assert chosen("auto", SCHEMAS) == ("fastavro", chosen("auto", SCHEMAS).why, None)
    with pytest.raises(ConfigError, match="is for other schemas"):
        chosen("compiled", SCHEMAS)
    monkeypatch.setitem(sys.modules, MODULE, None)
    assert "not installed" in chosen("auto", SCHEMAS).why
    with pytest.raises(ConfigError, match="not installed") as error:
        chosen("compiled", SCHEMAS)
    assert "pip install ./codec" in error.value.hint
