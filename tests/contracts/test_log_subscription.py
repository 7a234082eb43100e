"""What membership in the group and its records owe, on every log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from log_calls import NOON, Members, an_update, await_both, join, member, places, taken
from system.process import eventually

from processor.ports.log import Committed, Extent, Outgoing, Rebalance, Topic, Unreadable

if TYPE_CHECKING:
    from fakes.log_backends import LogBackend

pytest_plugins = ["fakes.log_backends"]


def test_there_is_no_membership_before_joining(log: LogBackend) -> None:
    subscription = log.subscription()
    assert subscription.membership() is None
    await_both(subscription)
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
def test_at_an_offset_outside_the_log_a_member_joins_anew(log: LogBackend, offset: int) -> None:
    log.feed([an_update(0) for _ in range(5)])
    log.expire(Topic.UPDATES, 0, 3)
    subscription = join(log)
    subscription.resume({0: offset})
    news: list[Rebalance] = []

    def joined_anew() -> bool:
        assert subscription.take(9, 0.1) == []
        news.extend(filter(None, [subscription.rebalance()]))
        return len(news) > 1 and 0 in news[-1].assigned

    eventually("it has joined anew", joined_anew)
    assert 0 in news[0].revoked
    subscription.resume({0: 4})
    assert places(taken(subscription, 1)) == [(0, 4)]


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
    await_both(subscription)
    assert member(subscription) != former
    subscription.resume({0: 0, 1: 1})
    log.feed([an_update(1)])
    assert sorted(places(taken(subscription, 2))) == [(0, 0), (1, 1)]
    assert not subscription.blocked()
