"""The compiled codec: the bytes and verdicts of fastavro and the core, or no answer at all."""

import random
import struct
from typing import Any, cast

import pytest
from avro_bytes import (
    COMMANDS,
    FAST,
    FULL,
    HEADER,
    HOSTILE,
    ITEM_FIELDS,
    KEY,
    NULLS,
    SCHEMAS,
    SNAPSHOTS,
    STATE,
    folded,
    mutated,
    needs_compiled,
    nulls_before,
    nulls_behind,
    required,
    text,
    varint,
)
from hypothesis import given
from hypothesis import strategies as st
from values import NOON, STATES, a_session, accepted, an_item, an_update, names, texts, updates

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled, EncodedUpdate
from processor.core.fold import fold
from processor.core.outcome import Accepted, Duplicate, Rejected
from processor.core.session import Session
from processor.core.update import SessionUpdate
from processor.errors import FailClosed
from processor.formats.updates import Updates
from processor.ports.log import Headers, Record
from processor.stages.decode import Decode

pytestmark = needs_compiled
COMPILED = cast("Compiled", FAST)
UPDATES = UpdateCodec(SCHEMAS.updates)
START = len(HEADER)


def record(value: bytes | None, key: bytes | None = KEY, headers: Headers = ()) -> Record:
    return Record(0, 40, NOON, key, value, headers)


def packed(value: bytes) -> EncodedUpdate | None:
    (update,) = COMPILED.read([record(value)], HEADER)
    return update


def slowly(before: Session | None, value: bytes, holder: str | None) -> object:
    """Return what fastavro and the core say: a snapshot and whether it is a claim, or why not."""
    update = Decode(Updates(UPDATES, {"avro"}), COMMANDS).update(record(value))
    outcome = update if isinstance(update, Rejected) else fold(before, update, holder)
    if isinstance(outcome, Accepted):
        return SNAPSHOTS.write(outcome.session), outcome.claim is not None
    return outcome


def same(
    value: bytes, before: Session | None = None, holder: str | None = None
) -> EncodedUpdate | None:
    """Assert that the compiled codec says of the bytes what the others say, or nothing."""
    update = packed(value)
    if update is not None:
        wanted = slowly(before, value, holder)
        made = folded(update, before and SNAPSHOTS.write(before), holder)
        if isinstance(wanted, Duplicate):
            assert made == (b"", False)
        else:
            assert made == (None if isinstance(wanted, Rejected) else wanted), value.hex()
    return update


HOLDERS = st.sampled_from([None, KEY.decode(), "7:other", "07:visit", "7:visit:", "visit", ""])


@given(
    st.lists(
        updates(st.sampled_from(["a", "b", "c"]) | names, st.sampled_from(["", "p"]) | texts),
        max_size=4,
    ),
    HOLDERS,
)
def test_every_valid_update_is_folded_by_it_and_alike(
    history: list[SessionUpdate], holder: str | None
) -> None:
    session: Session | None = None
    for update in history:
        value = UPDATES.write(update)
        assert same(value, session, holder) is not None
        valid = Decode(Updates(UPDATES, {"avro"}), COMMANDS).read(record(value))
        outcome = fold(session, cast("SessionUpdate", valid), holder)
        session = outcome.session if isinstance(outcome, Accepted) else session


@pytest.mark.parametrize("before", [a_session(state=state) for state in STATES])
@pytest.mark.parametrize("state", [None, "open", "closed", "cancelled"])
@pytest.mark.parametrize("coupon", [None, ""])
def test_every_transition_has_one_verdict(
    before: Session, state: str | None, coupon: str | None
) -> None:
    value = UPDATES.write(an_update(state=state, coupon=coupon))
    assert same(value, before) is not None
    assert same(value) is not None


def test_the_last_sixteen_event_ids_are_remembered_and_no_more() -> None:
    session: Session | None = None
    for number in [*range(18), 1, 3, 17]:
        value = UPDATES.write(an_update(event_id=f"e-{number}"))
        assert same(value, session) is not None
        outcome = fold(session, an_update(event_id=f"e-{number}", offset=40), None)
        session = outcome.session if isinstance(outcome, Accepted) else session
    assert session is not None
    assert session.version == 19


@pytest.mark.parametrize("profile", [None, "", "p", "q"])
@pytest.mark.parametrize("holder", [None, KEY.decode(), "7:other"])
def test_a_profile_is_claimed_alike(profile: str | None, holder: str | None) -> None:
    value = UPDATES.write(an_update(profile_id=profile))
    sessions = [a_session(profile_id="p", first_session=first) for first in (True, False)]
    for before in (None, a_session(), *sessions):
        update = same(value, before, holder)
        assert update is not None
        assert update.profile == (f"7:{profile}" if profile else None)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_updates_have_one_verdict(seed: int) -> None:
    chance = random.Random(seed)
    whole, taken = UPDATES.write(FULL), 0
    before = a_session(attributes={"page": '"/"', "kept": "1"}, discounts={"gone": 1.0})
    for _ in range(5_000):
        value = mutated(whole, chance)
        taken += same(value, before) is not None
    assert taken, "the compiled codec took none of them"


@pytest.mark.parametrize("seed", range(2))
def test_damaged_snapshots_have_one_verdict(seed: int) -> None:
    chance = random.Random(seed)
    attributes = {"a": "1", "b": "[2]"}
    whole = SNAPSHOTS.write(accepted(fold(None, FULL._replace(attributes=attributes), None)))
    update = an_update(event_id="next", attributes={"b": None, "c": "3"}, discounts={"A": 2.0})
    value, taken = UPDATES.write(update), 0
    read = cast("EncodedUpdate", packed(value))
    for _ in range(10_000):
        before = mutated(whole, chance)
        made = folded(read, before)
        try:
            wanted = slowly(SNAPSHOTS.read(before), value, None)
        except (FailClosed, UnicodeEncodeError):
            wanted = None
        if made is not None:
            taken += 1
            assert made == wanted, before.hex()
    assert taken, "the compiled codec took none of them"


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_left_to_fastavro(value: bytes) -> None:
    assert packed(value) is None


@given(st.binary(max_size=200))
def test_any_bytes_have_one_verdict(tail: bytes) -> None:
    same(required() + tail)


@pytest.mark.parametrize(
    "other",
    [
        record(None),
        record(UPDATES.write(FULL), None),
        record(UPDATES.write(FULL), b"7:other"),
        record(UPDATES.write(FULL), b"07:visit"),
        record(UPDATES.write(FULL), b"7:visit "),
        record(UPDATES.write(FULL)[:-1]),
        record(UPDATES.write(FULL) + b"\0"),
        record(b"\0" + UPDATES.write(FULL)[1:]),
        record(UPDATES.write(FULL), headers=[("trace", b"1"), ("__value_schema_id", b"1")]),
    ],
    ids=str,
)
def test_no_other_record_is_read(other: Record) -> None:
    whole = record(UPDATES.write(FULL), headers=[("trace", None)])
    first, middle, last = COMPILED.read([whole, other, whole], HEADER)
    assert middle is None
    assert first is not None
    assert last is not None


ITEM = text("Mug") + text("mug") + varint(1) + struct.pack("<d", 9.5) + bytes(7)
LINE = ITEM[:-1] + varint(1)
ODD = {
    "a long varint": HEADER + b"\x86\x00e-1" + required()[START + 4 :] + NULLS,
    "an id beyond 32 bits": required(2**31) + NULLS,
    "a wrapped union": required() + varint(-1) + text("p") + nulls_behind("profileId"),
    "a wrapped enum": STATE + varint(-1) + nulls_behind("state"),
    "two blocks": required()
    + ITEM_FIELDS
    + (varint(1) + ITEM) * 2
    + bytes(1)
    + nulls_behind("cartItems"),
    "a negative block": required()
    + ITEM_FIELDS
    + varint(-1)
    + varint(26)
    + ITEM
    + bytes(1)
    + nulls_behind("cartItems"),
    "a key twice": required()
    + nulls_before("discounts")
    + (varint(1) + varint(2) + (text("a") + bytes(1)) * 2 + b"\x00")
    + nulls_behind("discounts"),
    "a key twice in a line": required()
    + ITEM_FIELDS
    + (varint(1) + LINE + varint(2) + (text("a") + text("1")) * 2 + bytes(2))
    + nulls_behind("cartItems"),
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_what_is_not_canonical_is_left_to_fastavro(value: bytes) -> None:
    UPDATES.read(value, 40)
    assert packed(value) is None


UNSOUND: list[dict[str, Any]] = [
    {"event_id": ""},
    {"integration_id": ""},
    {"application_id": 0},
    {"event_time": -1},
    {"event_time": 253_402_300_800_000},
    {"total": float("nan")},
    {"attributes": {"a": "nope"}},
    {"discounts": {"a": float("-inf")}},
    {"cart_items": [an_item(price=1e308)] * 2},
    *(
        {"cart_items": [an_item(), an_item(**change)]}
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


@pytest.mark.parametrize("change", UNSOUND, ids=str)
def test_an_unsound_update_is_for_rule_3_to_name(change: dict[str, Any]) -> None:
    update = an_update(**change)
    whole = record(
        UPDATES.write(update), f"{update.application_id}:{update.integration_id}".encode()
    )
    assert COMPILED.read([whole], HEADER) == [None]
    assert isinstance(Decode(Updates(UPDATES, {"avro"}), COMMANDS).read(whole), Rejected)


@given(st.floats(allow_nan=False), st.integers(1, 2**31 - 1))
def test_a_sum_is_rounded_alike(price: float, quantity: int) -> None:
    same(UPDATES.write(an_update(cart_items=[an_item(price=price, quantity=quantity)])))


@given(st.floats(0, 2**53 / 1e6), st.floats(0, 1e-5))
def test_a_small_sum_is_rounded_alike(price: float, more: float) -> None:
    items = [an_item(price=price), an_item(price=more)]
    assert same(UPDATES.write(an_update(cart_items=items))) is not None


@pytest.mark.parametrize("total", [-0.0, 0.0, 12.5, 1e-7, -1e300])
def test_a_given_total_is_settled_alike(total: float) -> None:
    value = UPDATES.write(an_update(cart_items=[an_item(price=1e308)] * 2, total=total))
    assert same(value) is not None


def test_a_snapshot_under_another_header_is_for_the_core() -> None:
    update = packed(UPDATES.write(an_update()))
    assert update is not None
    before = SNAPSHOTS.write(a_session())
    assert folded(update, before) is not None
    assert folded(update, before, header=b"\0\0\0\0\1") is None
    assert folded(update, b"") is None


def test_an_input_offset_is_read_without_the_rest() -> None:
    snapshot = SNAPSHOTS.write(a_session(input_offset=1234))
    assert COMPILED.input_offset(snapshot, SNAPSHOTS.header) == 1234
    assert COMPILED.input_offset(snapshot, b"\0") is None
    assert COMPILED.input_offset(snapshot[:-1], SNAPSHOTS.header) is None


@pytest.mark.parametrize("version", [2**63 - 1, 0, -1])
def test_a_version_that_has_no_next_one_is_for_the_core(version: int) -> None:
    update = packed(UPDATES.write(an_update()))
    assert update is not None
    before = SNAPSHOTS.write(a_session(version=version))
    assert folded(update, before) is None


def test_many_attributes_are_merged_in_less_than_quadratic_time() -> None:
    """Else these would take minutes, and the suite's limit of time with them."""
    many = {f"a{number}": None if number % 3 else "1" for number in range(60_000)}
    before = a_session(attributes={f"a{number}": "2" for number in range(0, 120_000, 2)})
    assert same(UPDATES.write(an_update(attributes=many)), before) is not None
