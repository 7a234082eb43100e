"""A part that the compiled codec folds in one call is as the core folds it record by record."""

from collections.abc import Sequence
from typing import Any

import pytest
from avro_bytes import BOUNDS, FAST, FULL, SCHEMAS, SNAPSHOTS, decode_and_fold, needs_compiled
from hypothesis import example, given
from hypothesis import strategies as st
from session_commands import erase, expire
from values import NOON, an_update

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled
from processor.ports.log import Record
from processor.stages.batch import Folded
from processor.stages.fold import Fold

pytestmark = needs_compiled
UPDATES = UpdateCodec(SCHEMAS.updates)
SESSIONS = ("visit", "other", "é")
LARGE = 600
"""A snapshot that some of the updates make too large."""
CONTEXT = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
BARE = UPDATES.write(FULL)[10:]

plain = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from([f"e-{number}" for number in range(9)]),
        "integration_id": st.sampled_from(SESSIONS),
        "event_time": st.sampled_from([NOON, NOON - 5, 0]),
        "profile_id": st.sampled_from([None, "", "p", "p", "q"]),
        "state": st.sampled_from([None, None, None, "open", "closed", "cancelled"]),
    },
    optional={
        "identifiers": st.sampled_from([["d"], ["d", "e"], ["x" * LARGE]]),
        "total": st.sampled_from([0.0, 1.5]),
        "attributes": st.sampled_from([{"a": "1"}, {"b": "[]"}, {"a": None}, {"a": "no json"}]),
    },
).map(lambda fields: (f"7:{fields['integration_id']}", UPDATES.write(an_update(**fields))))
keys = st.sampled_from(SESSIONS).map(lambda session: f"7:{session}")
commands = st.one_of(
    st.builds(lambda key: (key, erase(key.encode(), release=("p",))), keys),
    st.builds(lambda key: (key, erase(key.encode(), forget=("p",))), keys),
    st.builds(lambda key, offset: (key, expire(key.encode(), offset)), keys, st.integers(0, 9)),
)
others = st.tuples(
    keys, st.sampled_from([None, b"", b"{}", BARE, UPDATES.write(FULL)[:-1], UPDATES.write(FULL)])
)
arrivals = st.lists(
    st.tuples(
        st.sampled_from([*[plain] * 6, commands, others]).flatmap(lambda kind: kind),
        st.integers(0, 1),
        st.sampled_from([*[()] * 6, CONTEXT, (("__value_schema_id", b"1"),)]),
    ),
    min_size=8,  # fewer would seldom meet in a profile
    max_size=24,
)


def in_parts(fold: Fold, decode: Any, records: Sequence[Record], part: int) -> list[Folded]:
    """Fold the records so many at once, each part upon what those before it left."""
    sessions: dict[int, dict[bytes, bytes | None]] = {0: {}, 1: {}}
    claims = {"7:q": "7:elsewhere"}
    done: list[Folded] = []
    while records:
        now = records[:part]
        for record in now:
            sessions[record.partition].setdefault(record.key or b"", None)
        folded = fold(now, decode(now), sessions, claims)
        for partition, changed in folded.changed.items():
            sessions[partition] |= changed
        left = claims | folded.claims | folded.ended_claims
        claims = {profile: holder for profile, holder in left.items() if holder is not None}
        done.append(folded)
        records = records[folded.taken :]
    return done


@given(arrivals, st.sampled_from([1, 5, 24, 24]), st.sampled_from([40, 2_000, *[BOUNDS.limit] * 3]))
@example([(("7:visit", UPDATES.write(an_update())), 0, ())] * 3, 24, 40)
def test_parts_are_folded_alike(
    arrived: list[tuple[tuple[str, bytes | None], int, Any]], part: int, limit: int
) -> None:
    records = [
        Record(partition, offset, NOON, key.encode(), value, headers)
        for offset, ((key, value), partition, headers) in enumerate(arrived)
    ]

    def by(codec: Compiled | None) -> list[Folded]:
        decode, fold = decode_and_fold(codec, LARGE, limit=limit)
        return in_parts(fold, decode, records, part)

    at_once, by_core = by(FAST), by(None)
    assert at_once == by_core
    for one, other in zip(at_once, by_core, strict=True):
        for partition, changed in one.changed.items():
            assert list(changed) == list(other.changed[partition])  # as Redis and the cache have it


def test_plain_updates_are_not_seen_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a profile, again, in two partitions: nothing of it is left to be folded one by one."""
    monkeypatch.delattr(Fold, "_update")
    decode, fold = decode_and_fold(FAST, BOUNDS.max_snapshot)
    records = []
    for n in range(8):
        session = SESSIONS[n % 2]
        update = an_update(event_id=f"e-{n % 3}", integration_id=session, profile_id="p")
        records.append(Record(n % 2, n, NOON, f"7:{session}".encode(), UPDATES.write(update), ()))
    (done,) = in_parts(fold, decode, records, 8)
    assert (len(done.snapshots), done.duplicates, done.taken) == (6, 2, 8)
    assert (done.claims, done.claiming) == ({"7:p": "7:visit"}, {0})
    firsts = [SNAPSHOTS.read(each or b"").first_session for each in done.snapshots]
    assert firsts == [record.partition == 0 for record in done.accepted]
