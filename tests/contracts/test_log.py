"""What every log does: the suite of the ports in `processor.ports.log`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from processor.errors import FailClosed, TopicError
from processor.ports.log import (
    BatchAborted,
    Committed,
    Ends,
    Extent,
    NotStable,
    Outgoing,
    ProducerLost,
    Rebalance,
    Topic,
    Unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fakes.log_backends import LogBackend

    from processor.ports.log import Coordination, Membership, Place, Record, Subscription

pytest_plugins = ["fakes.log_backends"]

NOON = 1_700_000_000_000
ENOUGH_S = 30.0


def eventually(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENOUGH_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {ENOUGH_S} s: {what}"


def an_update(partition: int, value: bytes = b"u", timestamp: int = NOON) -> Outgoing:
    return Outgoing(Topic.UPDATES, partition, timestamp, b"1:a", value, ())


def a_snapshot(partition: int, value: bytes | None = b"s", key: bytes = b"1:a") -> Outgoing:
    return Outgoing(Topic.SESSIONS, partition, NOON, key, value, ())


def a_letter(partition: int, value: bytes = b"d") -> Outgoing:
    return Outgoing(Topic.DEAD_LETTERS, partition, NOON, b"1:a", value, ())


class Members:
    """Members of the group, polled in turn, and what each has been told that it owns."""

    def __init__(self, *members: Subscription) -> None:
        self.owned: dict[Subscription, set[int]] = {each: set() for each in members}

    def poll_until(self, what: str, holds: Callable[[], bool]) -> None:
        def polled() -> bool:
            for each, owned in self.owned.items():
                each.take(1, 0.02)
                news = each.rebalance()
                if news is not None:
                    owned.difference_update(news.revoked)
                    owned.update(news.assigned)
            return holds()

        eventually(what, polled)


def join(log: LogBackend) -> Subscription:
    """Return a member that has been assigned both partitions."""
    subscription = log.subscription()
    members = Members(subscription)
    members.poll_until("both assigned", lambda: members.owned[subscription] == {0, 1})
    return subscription


def member(subscription: Subscription) -> Membership:
    membership = subscription.membership()
    assert membership is not None
    return membership


def taken(subscription: Subscription, count: int) -> list[Record]:
    records: list[Record] = []

    def enough() -> bool:
        records.extend(subscription.take(100, 0.1))
        return len(records) >= count

    eventually(f"{count} records", enough)
    return records


def places(records: Iterable[Record]) -> list[tuple[int, int]]:
    return [(record.partition, record.offset) for record in records]


def scanned(log: LogBackend, topic: Topic, partition: int, start: int = 0) -> list[Record]:
    end = log.coordination().extent(topic, partition).end
    return [r for chunk in log.scan().read(topic, partition, start, end) for r in chunk]


def stable(coordination: Coordination, partition: int) -> Committed | None:
    """Return the stable committed offset; a commit's markers may be on their way."""
    found: list[Committed | None] = []

    def answered() -> bool:
        try:
            found.append(coordination.committed(partition, stable=True))
        except NotStable:
            return False
        return True

    eventually("stable offsets", answered)
    return found[0]


# Subscription


def test_there_is_no_membership_before_joining(log: LogBackend) -> None:
    subscription = log.subscription()
    assert subscription.membership() is None
    members = Members(subscription)
    members.poll_until("both assigned", lambda: members.owned[subscription] == {0, 1})
    assert subscription.membership() is not None


def test_a_rebalance_is_told_once(log: LogBackend) -> None:
    subscription = log.subscription()
    told: list[Rebalance] = []

    def polled() -> bool:
        subscription.take(1, 0.05)
        news = subscription.rebalance()
        assert subscription.rebalance() is None
        if news is not None:
            told.append(news)
        return bool(news and news.assigned)

    eventually("an assignment", polled)
    assert [news for news in told if news.assigned] == [Rebalance(frozenset({0, 1}), frozenset())]


def test_records_come_after_resume_only_and_from_its_offset(log: LogBackend) -> None:
    log.feed([an_update(partition, b"%d" % n) for n in range(5) for partition in (0, 1)])
    subscription = join(log)
    subscription.resume({1: 3})
    first = taken(subscription, 2)
    assert places(first) == [(1, 3), (1, 4)]
    assert [record.value for record in first] == [b"3", b"4"]
    subscription.resume({0: 4})
    assert places(taken(subscription, 1)) == [(0, 4)]


def test_a_record_comes_as_it_was_written(log: LogBackend) -> None:
    headers = [("a", b"1"), ("a", None), ("b", b"")]
    log.feed([Outgoing(Topic.UPDATES, 1, NOON, b"\xff", b"\x00", headers), an_update(1)])
    log.feed([Outgoing(Topic.UPDATES, 1, NOON + 5, None, None, ())])
    subscription = join(log)
    subscription.resume({1: 0})
    first, _, last = taken(subscription, 3)
    assert first == (1, 0, NOON, b"\xff", b"\x00", headers)
    assert last == (1, 2, NOON + 5, None, None, ())


def test_one_record_stands_for_a_batch_that_cannot_be_unpacked(log: LogBackend) -> None:
    log.feed([an_update(0) for _ in range(3)])
    log.spoil(0, 5)
    log.feed([an_update(partition) for partition in (0, 1)])
    log.spoil(0, 1)
    subscription = join(log)
    subscription.resume({0: 0, 1: 0})
    found = [each for each in taken(subscription, 7) if each.partition == 0]
    assert [each.offset for each in found] == [0, 1, 2, 3, 8, 9]
    assert [each.next_offset for each in found] == [1, 2, 3, 8, 9, 10]
    assert [isinstance(each, Unreadable) for each in found] == [False] * 3 + [True, False, True]
    assert found[3][2:] == (-1, None, None, ())
    assert isinstance(found[3], Unreadable)
    assert found[3].reason
    assert subscription.damaged() == {}


def test_what_is_left_of_a_batch_that_cannot_be_unpacked_comes_after_resume(
    log: LogBackend,
) -> None:
    log.spoil(1, 4)
    log.feed([an_update(1)])
    subscription = join(log)
    subscription.resume({1: 2})
    rest, last = taken(subscription, 2)
    assert isinstance(rest, Unreadable)
    assert (rest.offset, rest.end, last.offset) == (2, 4, 4)


def test_a_seek_brings_a_batch_that_cannot_be_unpacked_again(log: LogBackend) -> None:
    log.feed([an_update(0)])
    log.spoil(0, 2)
    log.feed([an_update(0)])
    subscription = join(log)
    subscription.resume({0: 0})
    wanted = [(0, 1), (1, 3), (3, 4)]
    assert [(each.offset, each.next_offset) for each in taken(subscription, 3)] == wanted
    subscription.seek({0: 1})
    assert [(each.offset, each.next_offset) for each in taken(subscription, 2)] == wanted[1:]
    subscription.seek({0: 0})
    subscription.take(100, 0.1)
    subscription.seek({0: 1})
    assert [(each.offset, each.next_offset) for each in taken(subscription, 2)] == wanted[1:]
    subscription.pause([0])
    subscription.resume({0: 1})
    assert [(each.offset, each.next_offset) for each in taken(subscription, 2)] == wanted[1:]


def test_no_more_than_the_limit_is_taken(log: LogBackend) -> None:
    log.feed([an_update(0) for _ in range(7)])
    subscription = join(log)
    subscription.resume({0: 0})
    sizes: list[int] = []

    def all_taken() -> bool:
        sizes.append(len(subscription.take(3, 0.1)))
        return sum(sizes) == 7

    eventually("seven records", all_taken)
    assert max(sizes) <= 3


def test_pause_holds_back_what_is_queued_too(log: LogBackend) -> None:
    log.feed([an_update(partition) for partition in (0, 1) for _ in range(50)])
    subscription = join(log)
    subscription.resume({0: 0})
    eventually("one record", lambda: bool(subscription.take(1, 0.1)))
    subscription.pause([0])
    subscription.resume({1: 0})
    assert {record.partition for record in taken(subscription, 50)} == {1}
    subscription.resume({0: 1})
    assert places(taken(subscription, 49)) == [(0, offset) for offset in range(1, 50)]


def test_to_pause_what_has_gone_to_another_member_changes_nothing(log: LogBackend) -> None:
    """A `take` that raises does not tell of the rebalance that it met."""
    log.feed([an_update(partition) for partition in (0, 1)])
    first, second = join(log), log.subscription()
    members = Members(first, second)
    members.owned[first] = {0, 1}
    members.poll_until("each has one", lambda: len(members.owned[second]) == 1)
    (moved,), (kept,) = members.owned[second], members.owned[first]
    first.pause([moved])
    first.resume({kept: 0})
    assert places(taken(first, 1)) == [(kept, 0)]
    second.close()
    members.owned.pop(second)
    members.poll_until("it is back", lambda: members.owned[first] == {0, 1})
    first.resume({moved: 0})
    assert places(taken(first, 1)) == [(moved, 0)]


def test_seek_goes_back_and_forgets_the_position(log: LogBackend) -> None:
    log.feed([an_update(0) for _ in range(5)])
    subscription = join(log)
    subscription.resume({0: 0})
    taken(subscription, 5)
    assert subscription.positions([0]) == {0: 5}
    subscription.seek({0: 2})
    assert subscription.positions([0]).get(0, 2) == 2
    assert places(taken(subscription, 3)) == [(0, 2), (0, 3), (0, 4)]


def test_resume_forgets_the_position(log: LogBackend) -> None:
    log.feed([an_update(0) for _ in range(5)])
    subscription = join(log)
    subscription.resume({0: 0})
    taken(subscription, 5)
    subscription.pause([0])
    subscription.resume({0: 2})
    assert subscription.positions([0]).get(0, 2) == 2


def test_positions_pass_markers_at_the_end(log: LogBackend) -> None:
    log.feed([an_update(0)], marked=True)
    subscription = join(log)
    subscription.resume({0: 0})
    assert places(taken(subscription, 1)) == [(0, 0)]

    def at_the_end() -> bool:
        assert subscription.take(10, 0.05) == []
        return subscription.positions([0]) == {0: 2}

    eventually("the position at the end", at_the_end)
    assert subscription.ends([0]) == {0: 2}


def test_a_log_that_was_emptied_behind_its_markers_is_read_on_from_the_position(
    log: LogBackend,
) -> None:
    log.feed([an_update(0)], marked=True)
    log.expire(Topic.UPDATES, 0, 2)
    assert log.coordination().extent(Topic.UPDATES, 0) == Extent(2, 2, 2)
    subscription = join(log)
    subscription.resume({0: 2})
    assert subscription.take(10, 0.05) == []
    log.feed([an_update(0)])
    assert places(taken(subscription, 1)) == [(0, 2)]


def test_records_of_an_open_transaction_wait_for_its_end(log: LogBackend) -> None:
    subscription = join(log)
    identity = log.die([an_update(0, b"never")], {1: Committed(0, "x")}, member(subscription))
    log.feed([an_update(0, b"after"), an_update(1)])
    subscription.resume({0: 0, 1: 0})
    assert places(taken(subscription, 1)) == [(1, 0)]
    coordination = log.coordination()
    eventually("the id fenced", lambda: coordination.fence(identity))
    assert [record.value for record in taken(subscription, 1)] == [b"after"]


@pytest.mark.parametrize("offset", [1, 9])
def test_an_offset_outside_the_log_fails_closed(log: LogBackend, offset: int) -> None:
    log.feed([an_update(0) for _ in range(5)])
    log.expire(Topic.UPDATES, 0, 3)
    subscription = join(log)
    subscription.resume({0: offset})
    with pytest.raises(FailClosed, match=str(offset)):
        taken(subscription, 1)


def test_a_second_member_gets_its_share_and_leaves_it(log: LogBackend) -> None:
    log.feed([an_update(partition) for partition in (0, 1)])
    first = join(log)
    first.resume({0: 0, 1: 0})
    assert sorted(places(taken(first, 2))) == [(0, 0), (1, 0)]
    second = log.subscription()
    members = Members(first, second)
    members.owned[first] = {0, 1}

    def spread() -> bool:
        assert not members.owned[first] & members.owned[second]
        return [len(owned) for owned in members.owned.values()] == [1, 1]

    members.poll_until("each has one", spread)
    (moved,) = members.owned.pop(second)
    second.resume({moved: 0})
    assert places(taken(second, 1)) == [(moved, 0)]
    second.close()
    members.poll_until("it is back", lambda: members.owned[first] == {0, 1})
    assert first.connection_error() is None


def test_a_renewed_member_gives_up_all_and_is_assigned_it_again(log: LogBackend) -> None:
    log.feed([an_update(partition) for partition in (0, 1)])
    subscription = join(log)
    subscription.resume({0: 0, 1: 0})
    taken(subscription, 2)
    former = member(subscription)
    assert subscription.renew() == Rebalance(frozenset(), frozenset({0, 1}))
    assert subscription.confirmed() is None
    members = Members(subscription)
    members.poll_until("both assigned", lambda: members.owned[subscription] == {0, 1})
    assert member(subscription) != former
    subscription.resume({0: 0, 1: 1})
    log.feed([an_update(1)])
    assert sorted(places(taken(subscription, 2))) == [(0, 0), (1, 1)]
    assert not subscription.blocked()


# Publication


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
    assert scanned(log, Topic.DEAD_LETTERS, 1) == [(1, 0, NOON, b"1:a", b"d", ())]
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


# Coordination


def test_a_pending_transaction_shows_and_fencing_ends_it(log: LogBackend) -> None:
    subscription = join(log)
    coordination = log.coordination()
    publication = log.publication()
    publication.begin()
    publication.send([a_snapshot(0)])
    publication.flush()
    publication.commit({0: Committed(1, "one")}, member(subscription))
    assert stable(coordination, 0) == Committed(1, "one")
    identity = log.die([a_snapshot(0, b"dead")], {0: Committed(2, "two")}, member(subscription))
    with pytest.raises(NotStable):
        coordination.committed(0, stable=True)
    assert coordination.committed(0, stable=False) == Committed(1, "one")
    assert coordination.committed(1, stable=True) is None
    assert coordination.extent(Topic.SESSIONS, 0) == Extent(0, 2, 3)
    eventually("the id fenced", lambda: coordination.fence(identity))
    assert stable(coordination, 0) == Committed(1, "one")
    assert coordination.extent(Topic.SESSIONS, 0) == Extent(0, 4, 4)
    assert [each.value for each in scanned(log, Topic.SESSIONS, 0)] == [b"s"]


def test_an_extent_begins_where_the_log_does(log: LogBackend) -> None:
    coordination = log.coordination()
    assert coordination.extent(Topic.UPDATES, 0) == Extent(0, 0, 0)
    log.feed([an_update(0) for _ in range(5)])
    log.expire(Topic.UPDATES, 0, 3)
    assert coordination.extent(Topic.UPDATES, 0) == Extent(3, 5, 5)
    assert coordination.extent(Topic.UPDATES, 1) == Extent(0, 0, 0)


def test_ends_are_told_of_all_partitions_at_once_and_times_of_what_is_open_too(
    log: LogBackend,
) -> None:
    log.feed([an_update(0), an_update(0)])
    subscription = join(log)
    opened = a_snapshot(1)._replace(timestamp=NOON + 7)
    identity = log.die([opened, opened], {0: Committed(0, "x")}, member(subscription))
    coordination = log.coordination()
    wanted = {
        (Topic.UPDATES, 0): Ends(2, 2),
        (Topic.UPDATES, 1): Ends(0, 0),
        (Topic.SESSIONS, 0): Ends(0, 0),
        (Topic.SESSIONS, 1): Ends(0, 2),
    }
    ask = coordination.ends(wanted.keys())
    found: list[Mapping[Place, Ends] | None] = [None]

    def answered() -> bool:
        found[0] = ask()
        return found[0] is not None

    eventually("an answer", answered)
    assert found == [wanted]
    offsets = {place: ends.stable_end for place, ends in wanted.items()}
    offsets[Topic.UPDATES, 0] = 1
    assert coordination.timestamps(offsets) == {
        (Topic.UPDATES, 0): NOON,
        (Topic.SESSIONS, 1): NOON + 7,
    }
    eventually("the id fenced", lambda: coordination.fence(identity))


def test_offsets_by_time(log: LogBackend) -> None:
    log.feed([an_update(1, timestamp=NOON + 10 * n) for n in range(3)])
    coordination = log.coordination()
    found = [coordination.offset_at(1, NOON + ms) for ms in (-5, 0, 1, 20, 21)]
    assert found == [0, 0, 1, 2, 3]
    assert coordination.offset_at(0, NOON) == 0


def test_topics_have_ids_and_counts(log: LogBackend) -> None:
    coordination = log.coordination()
    ids = coordination.topic_ids()
    assert set(ids) == set(Topic)
    assert len(set(ids.values())) == 4
    assert log.coordination().topic_ids() == ids
    assert [coordination.partitions(topic) for topic in Topic] == [2, 2, 2, 2]
    assert coordination.cluster_id() == log.coordination().cluster_id() != ""


def test_an_absent_topic_is_named(log: LogBackend) -> None:
    coordination = log.topicless()
    with pytest.raises(TopicError, match="updates"):
        coordination.topic_ids()
    with pytest.raises(TopicError, match="updates"):
        coordination.partitions(Topic.UPDATES)


# Scan


def test_a_scan_yields_what_is_committed_with_its_tombstones(log: LogBackend) -> None:
    membership = member(join(log))
    publication = log.publication()
    for value, commit in ((b"1", True), (b"2", False), (None, True)):
        publication.begin()
        publication.send([a_snapshot(0, value), a_snapshot(1, b"elsewhere")])
        publication.flush()
        if commit:
            publication.commit({}, membership)
        else:
            publication.abort()
    found = scanned(log, Topic.SESSIONS, 0)
    assert [(each.offset, each.value) for each in found] == [(0, b"1"), (4, None)]
    assert scanned(log, Topic.SESSIONS, 0, start=1) == found[1:]


def test_a_scan_ends_at_its_end_though_no_record_is_there(log: LogBackend) -> None:
    log.feed([a_letter(0, b"%d" % n) for n in range(3)], marked=True)
    assert log.coordination().extent(Topic.DEAD_LETTERS, 0).end == 4

    def values(start: int, end: int) -> list[bytes | None]:
        chunks = log.scan().read(Topic.DEAD_LETTERS, 0, start, end)
        return [record.value for chunk in chunks for record in chunk]

    assert values(0, 4) == [b"0", b"1", b"2"]
    assert values(3, 4) == []
    assert values(0, 2) == [b"0", b"1"]
    assert values(1, 1) == []
    assert values(2, 0) == []


def test_a_scan_of_the_input_has_one_record_for_a_batch_that_cannot_be_unpacked(
    log: LogBackend,
) -> None:
    log.feed([an_update(1)])
    log.spoil(1, 3)
    log.feed([an_update(1)])
    log.spoil(1, 1)

    def steps(start: int, end: int) -> list[tuple[int, int]]:
        chunks = log.scan().read(Topic.UPDATES, 1, start, end)
        return [(each.offset, each.next_offset) for chunk in chunks for each in chunk]

    assert steps(0, 6) == [(0, 1), (1, 4), (4, 5), (5, 6)]
    assert steps(0, 5) == [(0, 1), (1, 4), (4, 5)]
    assert steps(2, 3) == [(2, 4)]
    assert steps(0, 1) == [(0, 1)]


def test_a_scan_reads_from_what_is_left(log: LogBackend) -> None:
    log.feed([a_letter(0, b"%d" % n) for n in range(5)])
    log.expire(Topic.DEAD_LETTERS, 0, 3)
    found = scanned(log, Topic.DEAD_LETTERS, 0)
    assert [(each.offset, each.value) for each in found] == [(3, b"3"), (4, b"4")]


def test_a_scan_from_beyond_the_end_yields_nothing_before_its_start(log: LogBackend) -> None:
    log.feed([a_letter(0, b"%d" % n) for n in range(5)])
    chunks = log.scan().read(Topic.DEAD_LETTERS, 0, 7, 8)
    assert next(chunks) == []
    log.feed([a_letter(0, b"%d" % n) for n in range(5, 8)])
    assert [record.value for chunk in chunks for record in chunk] == [b"7"]


def test_a_scan_waits_out_an_open_transaction(log: LogBackend) -> None:
    subscription = join(log)
    log.feed([a_letter(0, b"before")])
    identity = log.die([a_letter(0, b"dead")], {0: Committed(1, "")}, member(subscription))
    log.feed([a_letter(0, b"after")])
    coordination = log.coordination()
    assert coordination.extent(Topic.DEAD_LETTERS, 0) == Extent(0, 1, 3)
    chunks = log.scan().read(Topic.DEAD_LETTERS, 0, 0, 3)
    first: list[Record] = []

    def waits() -> bool:
        chunk = next(chunks)
        first.extend(chunk)
        return bool(first) and not chunk

    eventually("a chunk, then none", waits)
    eventually("the id fenced", lambda: coordination.fence(identity))
    rest = [record for chunk in chunks for record in chunk]
    assert [each.value for each in first + rest] == [b"before", b"after"]
