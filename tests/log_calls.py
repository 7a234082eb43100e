"""Calls of the log's ports, and records, that several tests have: of a log with two partitions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from system.process import eventually

from processor.ports.log import (
    Committed,
    Coordination,
    Ends,
    Membership,
    NotStable,
    Outgoing,
    Place,
    Record,
    Subscription,
    Topic,
)

if TYPE_CHECKING:
    from fakes.log_backends import LogBackend

NOON = 1_700_000_000_000


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


def await_both(subscription: Subscription) -> None:
    """Poll a member until it is assigned both partitions."""
    members = Members(subscription)
    members.poll_until("both assigned", lambda: members.owned[subscription] == {0, 1})


def join(log: LogBackend) -> Subscription:
    """Return a member that has been assigned both partitions."""
    subscription = log.subscription()
    await_both(subscription)
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


def ends_of(coordination: Coordination, asked: Collection[Place]) -> Mapping[Place, Ends]:
    """Return the ends once all leaders told them; who is slow may be left out of an answer."""
    answers = [coordination.ends(asked)]
    found: list[Mapping[Place, Ends]] = []

    def answered() -> bool:
        told = answers[-1]()
        if told is not None and told.keys() >= {*asked}:
            found.append(told)
        elif told is not None:
            answers.append(coordination.ends(asked))
        return bool(found)

    eventually("the ends", answered)
    return found[0]
