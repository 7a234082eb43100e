"""The brokers in memory: logs, transactions, a group; `log.py` has the protocols on them."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple
from zlib import crc32

from fakes.clock import FakeClock
from processor.ports.log import (
    Committed,
    Extent,
    LogUnavailable,
    Outgoing,
    Place,
    Record,
    Topic,
    Unreadable,
)


class Transaction:
    """What one producer has open: where its records begin, and the offsets that pend with it."""

    def __init__(self) -> None:
        self.first: dict[Place, int] = {}
        self.offsets: dict[int, Committed] = {}
        self.committed = False
        self.since = 0.0
        """When the claims that it is folded upon were asked for, where somebody asks."""


class Entry(NamedTuple):
    """What stands at one offset; no record: a transaction's marker."""

    record: Record | None
    transaction: Transaction | None

    @property
    def readable(self) -> bool:
        return self.record is not None and (self.transaction is None or self.transaction.committed)


class Partition:
    """One log. Offsets are places in `entries`; those below `start` are gone."""

    def __init__(self) -> None:
        self.start = 0
        self.entries: list[Entry] = []
        self.unpackable: list[range] = []
        self.damaged: int | None = None


class FakeBroker:
    """Topics, transactions and one group.

    `available` False makes it silent to everybody; a partition in `leaders_away` has a leader that
    is silent while the others answer. `at(step, action)` has the action run at that
    step of the next transaction (`STEPS`, "committed" once it stands) or "take"; it may raise what
    the step may raise, or do anything else.
    """

    STEPS = ("begin", "flush", "commit", "committed", "abort", "take")

    def __init__(self, partitions: int = 4, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.available = True
        self.leaders_away: set[Place] = set()
        self.chunk = 100
        self.logs = {topic: [Partition() for _ in range(partitions)] for topic in Topic}
        self.ids = {topic: f"id-of-{topic.value}" for topic in Topic}
        self.committed: dict[int, Committed] = {}
        self.open: dict[str, Transaction] = {}
        self.tombstones_kept_ms = 86_400_000
        self.epochs: dict[str, int] = defaultdict(int)
        self.names = count(1)
        self.group = Group(partitions)
        self._steps: dict[str, list[Callable[[], None]]] = defaultdict(list)

    # Faults

    def at(self, step: str, action: Callable[[], None], times: int = 1) -> None:
        assert step in self.STEPS
        self._steps[step] += [action] * times

    def passing(self, step: str) -> None:
        if self._steps[step]:
            self._steps[step].pop(0)()

    def answer(self) -> None:
        """Open every call that needs an answer."""
        if not self.available:
            raise LogUnavailable("the fake broker is away")

    def answers(self, topic: Topic, partition: int) -> bool:
        return self.available and (topic, partition) not in self.leaders_away

    # Logs

    def append(self, outgoing: Outgoing, transaction: Transaction | None = None) -> int:
        """Write a record; return its partition."""
        log = self.logs[outgoing.topic]
        partition = outgoing.partition
        if partition is None:
            partition = crc32(outgoing.key or b"") % len(log)
        offset = len(log[partition].entries)
        timestamp = outgoing.timestamp
        if timestamp < 0 or outgoing.topic is Topic.DEAD_LETTERS:  # these have LogAppendTime
            timestamp = self.clock.now_ms()
        record = Record(partition, offset, timestamp, *outgoing[3:5], list(outgoing.headers) or ())
        log[partition].entries.append(Entry(record, transaction))
        if transaction is not None:
            transaction.first.setdefault((outgoing.topic, partition), offset)
        return partition

    def extent(self, topic: Topic, partition: int) -> Extent:
        log = self.logs[topic][partition]
        end = len(log.entries)
        if not self.open:
            return Extent(log.start, end, end)
        place = topic, partition
        stable = min([each.first.get(place, end) for each in self.open.values()])
        return Extent(log.start, stable, end)

    def readable(self, topic: Topic, partition: int, start: int = 0) -> Iterator[Record]:
        """Yield what a read_committed reader sees now."""
        log = self.logs[topic][partition]
        offset = max(start, log.start)
        stable_end = self.extent(topic, partition).stable_end
        while offset < stable_end and offset != log.damaged:
            batch = None
            if log.unpackable:
                batch = next((each for each in log.unpackable if offset in each), None)
            entry = log.entries[offset]
            if batch is not None:
                yield Unreadable(partition, offset, batch.stop, "the fake batch is spoilt")
            elif entry.readable and entry.record is not None:
                yield entry.record
            offset = offset + 1 if batch is None else batch.stop

    def read_up_to(self, topic: Topic, partition: int) -> int:
        """Return where a read_committed reader stands once it has read all that it can."""
        damaged = self.logs[topic][partition].damaged
        stable_end = self.extent(topic, partition).stable_end
        return stable_end if damaged is None else min(damaged, stable_end)

    # Transactions

    def init(self, identity: str) -> int:
        """Give the id to a new holder: what the former one has open is aborted."""
        self.epochs[identity] += 1
        self.end(identity, commit=False)
        return self.epochs[identity]

    def end(self, identity: str, *, commit: bool) -> None:
        transaction = self.open.pop(identity, None)
        if transaction is None:
            return
        transaction.committed = commit
        for topic, partition in transaction.first:
            self.logs[topic][partition].entries.append(Entry(None, transaction))
        if commit:
            self.committed |= transaction.offsets

    def pending(self, partition: int) -> bool:
        return any(partition in each.offsets for each in self.open.values())


class Group:
    """Members and what they own. A partition moves once its former owner has let it go."""

    def __init__(self, partitions: int) -> None:
        self.generation = 0
        self.members: list[str] = []
        self.owners: dict[int, str] = {}
        self._partitions = range(partitions)
        self._settled: dict[str, tuple[int, dict[int, str], set[int]]] = {}
        """What each member was told last: as of which generation and owners."""

    def join(self, member: str) -> None:
        self.members.append(member)
        self.generation += 1

    def leave(self, member: str) -> None:
        """Let a member go; unseen by itself, this is what a session timeout does."""
        if member in self.members:
            self.members.remove(member)
            self.owners = {each: owner for each, owner in self.owners.items() if owner != member}
            self.generation += 1

    def settle(self, member: str) -> set[int]:
        """Have a member let go of what is to move and take what is free; return what it owns."""
        settled = self._settled.get(member)
        if settled is not None and settled[:2] == (self.generation, self.owners):
            return set(settled[2])
        owned = self._settle(member)
        self._settled[member] = self.generation, dict(self.owners), owned
        return set(owned)

    def _settle(self, member: str) -> set[int]:
        quota = -(-len(self._partitions) // len(self.members))
        kept = {each: self.owned(each)[:quota] for each in self.members}
        free = [each for each in self._partitions if all(each not in own for own in kept.values())]
        for own in kept.values():
            while free and len(own) < quota:
                own.append(free.pop(0))
        let_go = set(self.owned(member)) - set(kept[member])
        for partition in let_go:
            del self.owners[partition]
        self.generation += bool(let_go)
        for partition in kept[member]:
            self.owners.setdefault(partition, member)
        return set(self.owned(member))

    def owned(self, member: str) -> list[int]:
        return sorted(each for each, owner in self.owners.items() if owner == member)
