"""What a transactional producer owes, on every log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from log_calls import NOON, Members, a_letter, a_snapshot, join, member, scanned, stable
from system.process import eventually

from processor.ports.log import BatchAborted, Committed, Outgoing, ProducerLost, Topic

if TYPE_CHECKING:
    from fakes.log_backends import LogBackend

pytest_plugins = ["fakes.log_backends"]


def test_a_commit_is_all_of_it(log: LogBackend) -> None:
    membership = member(join(log))
    publication = log.publication()
    claim = Outgoing(Topic.CLAIMS, None, -1, b"1:p", b"1:a", [("format", b"1")])
    publication.begin()
    publication.send([a_snapshot(0), a_letter(1), claim])
    assert publication.flush() == {0: 1}
    publication.commit({0: Committed(7, "text ✓"), 1: Committed(9, "")}, membership)
    coordination = log.coordination()
    assert stable(coordination, 0) == Committed(7, "text ✓")
    assert stable(coordination, 1) == Committed(9, "")
    assert scanned(log, Topic.SESSIONS, 0) == [(0, 0, NOON, b"1:a", b"s", ())]
    assert [each[3:] for each in scanned(log, Topic.DEAD_LETTERS, 1)] == [(b"1:a", b"d", ())]
    claims = scanned(log, Topic.CLAIMS, 0) + scanned(log, Topic.CLAIMS, 1)
    assert [each[3:] for each in claims] == [(b"1:p", b"1:a", [("format", b"1")])]
    assert claims[0].timestamp >= 0


def test_what_has_no_partition_goes_by_its_key(log: LogBackend) -> None:
    membership = member(join(log))
    publication = log.publication()
    keys = [b"1:%d" % n for n in range(12)] * 2
    publication.begin()
    publication.send([Outgoing(Topic.CLAIMS, None, -1, key, b"v", ()) for key in keys])
    publication.flush()
    publication.commit({}, membership)
    found = [[r.key or b"" for r in scanned(log, Topic.CLAIMS, partition)] for partition in (0, 1)]
    assert all(found)
    assert not set(found[0]) & set(found[1])
    assert sorted(found[0] + found[1]) == sorted(keys)


def test_flush_tells_the_offsets_that_are_next_though_markers_stand_between(
    log: LogBackend,
) -> None:
    membership = member(join(log))
    publication = log.publication()
    for round_, ends in enumerate([{0: 2, 1: 1}, {0: 5, 1: 3}]):
        publication.begin()
        publication.send([a_snapshot(0), a_snapshot(1), a_letter(1), a_snapshot(0)])
        assert publication.flush() == ends
        publication.commit({0: Committed(round_, "")}, membership)
    publication.begin()
    publication.send([a_letter(0)])
    assert publication.flush() == {}
    publication.abort()


def test_timestamps_are_those_that_were_given(log: LogBackend) -> None:
    """A client may take 0 for the time of the sending, and then sends 1."""
    subscription, publication = join(log), log.publication()
    publication.begin()
    publication.send([a_snapshot(0)._replace(timestamp=each) for each in (0, 1, NOON, NOON + 5)])
    publication.flush()
    publication.commit({0: Committed(0, "")}, member(subscription))
    first, *others = [each.timestamp for each in scanned(log, Topic.SESSIONS, 0)]
    assert first in (0, 1)
    assert others == [1, NOON, NOON + 5]


def test_an_abort_leaves_nothing_to_read(log: LogBackend) -> None:
    membership = member(join(log))
    publication = log.publication()
    publication.begin()
    publication.send([a_snapshot(0, b"aborted"), a_letter(0)])
    publication.flush()
    publication.abort()
    publication.abort()
    coordination = log.coordination()
    assert coordination.committed(0, stable=True) is None
    assert scanned(log, Topic.SESSIONS, 0) == []
    publication.begin()
    publication.send([a_snapshot(0, b"good")])
    assert publication.flush() == {0: 3}
    publication.commit({0: Committed(1, "")}, membership)
    assert [each.value for each in scanned(log, Topic.SESSIONS, 0)] == [b"good"]


def test_a_batch_of_a_stale_membership_is_not_committed(log: LogBackend) -> None:
    first = join(log)
    first.resume({0: 0, 1: 0})
    stale = member(first)
    second = log.subscription()
    members = Members(first, second)
    members.poll_until("a partition has moved", lambda: bool(members.owned[second]))
    publication = log.publication()
    publication.begin()
    publication.send([a_snapshot(0)])
    publication.flush()
    with pytest.raises(BatchAborted):
        publication.commit({0: Committed(5, "stale")}, stale)
    publication.abort()
    coordination = log.coordination()
    assert stable(coordination, 0) is None
    assert scanned(log, Topic.SESSIONS, 0) == []
    publication.begin()
    publication.commit({0: Committed(5, "fresh")}, member(first))
    assert stable(coordination, 0) == Committed(5, "fresh")


def test_a_fenced_producer_is_lost_and_its_replacement_works(log: LogBackend) -> None:
    membership = member(join(log))
    publication, coordination = log.publication(), log.coordination()
    former = publication.identity()
    publication.begin()
    publication.send([a_snapshot(0, b"fenced")])
    publication.flush()
    eventually("the id fenced", lambda: coordination.fence(former))
    with pytest.raises(ProducerLost):
        publication.commit({0: Committed(5, "fenced")}, membership)
    publication.replace()
    assert publication.identity() not in {former, ""}
    publication.begin()
    publication.send([a_snapshot(0, b"good")])
    publication.flush()
    publication.commit({0: Committed(6, "good")}, membership)
    assert stable(coordination, 0) == Committed(6, "good")
    assert [each.value for each in scanned(log, Topic.SESSIONS, 0)] == [b"good"]


def test_without_a_producer_it_is_lost(log: LogBackend) -> None:
    publication = log.publication()
    publication.close()
    with pytest.raises(ProducerLost):
        publication.begin()
