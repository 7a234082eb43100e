"""What a fold does at once is bounded, whether or not updates are accepted."""

import pytest
from avro_bytes import CODECS, SCHEMAS, SNAPSHOTS, decode_and_fold
from values import NOON, a_session, an_update

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled
from processor.core.session import Session
from processor.core.update import SessionUpdate
from processor.ports.log import Record

CLOSED = a_session(state="closed", identifiers=["x" * 1_000])
UPDATES = UpdateCodec(SCHEMAS.updates)


class Bench:
    """A fold of sessions of partition 0 that are as Redis holds them, and what it read of them."""

    def __init__(self, compiled: Compiled | None, limit: int, max_snapshot: int = 900_000) -> None:
        self.read: list[bytes] = []
        self._decode, self._fold = decode_and_fold(
            compiled, max_snapshot, limit=limit, session_of=self._session
        )

    def _session(self, snapshot: bytes) -> Session:
        self.read.append(snapshot)
        return SNAPSHOTS.read(snapshot)

    def taken(self, session: Session, *updates: SessionUpdate) -> int:
        records = [Record(0, 0, NOON, b"7:visit", UPDATES.write(each), ()) for each in updates]
        known = {0: {b"7:visit": SNAPSHOTS.write(session)}}
        return self._fold(records, self._decode(records), known, {}).taken


REJECTED = [an_update(event_id=f"n-{number}", coupon="") for number in range(40)]


@pytest.mark.parametrize("compiled", CODECS)
@pytest.mark.parametrize(
    ("session", "updates"),
    [
        (CLOSED, REJECTED),
        (a_session(identifiers=["x" * 1_000]), [an_update(event_id="e-0")] * 40),
    ],
    ids=["rejections", "duplicates"],
)
def test_snapshots_that_are_read_in_vain_cut_a_batch(
    compiled: Compiled | None, session: Session, updates: list[SessionUpdate]
) -> None:
    assert Bench(compiled, 5_000).taken(session, *updates) == 5
    assert Bench(compiled, 50_000).taken(session, *updates) == 40


@pytest.mark.parametrize("compiled", CODECS)
def test_snapshots_that_are_too_large_cut_a_batch(compiled: Compiled | None) -> None:
    more = [an_update(event_id=f"n-{number}", coupon="x") for number in range(40)]
    large = a_session(identifiers=["x" * 1_000])
    assert Bench(compiled, 5_000, max_snapshot=500).taken(large, *more) == 5


@pytest.mark.parametrize("compiled", CODECS)
def test_a_session_that_rejects_one_update_after_another_is_read_once(
    compiled: Compiled | None,
) -> None:
    bench = Bench(compiled, 1_000_000)
    assert bench.taken(CLOSED, *REJECTED) == 40
    assert len(bench.read) == 1
