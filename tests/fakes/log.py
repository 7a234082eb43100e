"""The log's protocols in memory: any number of processes on one `FakeBroker`."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple
from zlib import crc32

from fakes.clock import FakeClock
from processor.errors import FailClosed, TopicError
from processor.ports.log import (
    BatchAborted,
    Committed,
    Ends,
    EndsAnswer,
    Extent,
    LogUnavailable,
    Membership,
    NotStable,
    Outgoing,
    Place,
    ProducerLost,
    Rebalance,
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
        timestamp = self.clock.now_ms() if outgoing.timestamp < 0 else outgoing.timestamp
        record = Record(partition, offset, timestamp, *outgoing[3:5], list(outgoing.headers) or ())
        log[partition].entries.append(Entry(record, transaction))
        if transaction is not None:
            transaction.first.setdefault((outgoing.topic, partition), offset)
        return partition

    def extent(self, topic: Topic, partition: int) -> Extent:
        log = self.logs[topic][partition]
        end = len(log.entries)
        stable = [each.first.get((topic, partition), end) for each in self.open.values()]
        return Extent(log.start, min([end, *stable]), end)

    def readable(self, topic: Topic, partition: int, start: int = 0) -> Iterator[Record]:
        """Yield what a read_committed reader sees now."""
        log = self.logs[topic][partition]
        offset = max(start, log.start)
        while offset < self.extent(topic, partition).stable_end and offset != log.damaged:
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


class FakeSubscription:
    """A Subscription in memory.

    Nothing comes of a partition that is `stuck` until it is resumed; of one that is `deaf`, until
    the member is renewed.
    """

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self.stuck: set[int] = set()
        self.deaf: set[int] = set()
        self.member = ""
        self._generation = 0
        self._next: dict[int, int | None] = {}
        self._passed: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._paused: set[int] = set()
        self._news: Rebalance | None = None
        self._confirmed: Membership | None = None

    def membership(self) -> Membership | None:
        return (self.member, self._generation) if self.member else None

    def confirmed(self) -> Membership | None:
        return self._confirmed

    def take(self, limit: int, wait: float) -> list[Record]:
        self._confirmed = self.membership()
        self._broker.passing("take")
        if self._broker.available:
            self._meet_group()
        records = self._fetch(limit)
        if not records:
            self._broker.clock.wait(wait)
            records = self._fetch(limit)
        return records

    def _meet_group(self) -> None:
        group = self._broker.group
        if self.member and self.member not in group.members:
            self.member = ""  # it was thrown out: it joins anew with its next call
            self._change(set())
            return
        if not self.member:
            self.member = f"member-{next(self._broker.names)}"
            group.join(self.member)
        owned = group.settle(self.member)
        if self._generation != group.generation or owned != set(self._next):
            self._generation = group.generation
            self._change(owned)

    def _change(self, owned: set[int]) -> None:
        self._confirmed = None
        assigned, revoked = owned - set(self._next), set(self._next) - owned
        for partition in revoked:
            del self._next[partition]
            self._passed.pop(partition, None)
        self._next |= dict.fromkeys(assigned)
        self._paused = (self._paused - revoked) | assigned
        before = self._news or Rebalance(frozenset(), frozenset())
        self._news = Rebalance(
            frozenset((before.assigned - revoked) | assigned), frozenset(before.revoked | revoked)
        )

    def _fetch(self, limit: int) -> list[Record]:
        records: list[Record] = []
        for partition, start in self._next.items():
            if partition in self._paused | self.stuck | self.deaf or start is None:
                continue
            if not self._broker.answers(Topic.UPDATES, partition):
                continue
            extent = self._broker.extent(Topic.UPDATES, partition)
            self._ends[partition] = extent.stable_end
            if not extent.start <= start <= extent.end:
                raise FailClosed(f"offset {start} of partition {partition} is outside the log")
            found = [*self._broker.readable(Topic.UPDATES, partition, start)]
            room = limit - len(records)
            records += found[:room]
            end = self._broker.read_up_to(Topic.UPDATES, partition)
            after = end if len(found) <= room else found[room].offset
            self._next[partition] = self._passed[partition] = after
        return records

    def rebalance(self) -> Rebalance | None:
        news, self._news = self._news, None
        return news

    def resume(self, positions: Mapping[int, int]) -> None:
        self._move(positions)
        self._paused.difference_update(positions)
        self.stuck.difference_update(positions)

    def pause(self, partitions: Sequence[int]) -> None:
        self._paused.update(set(partitions) & set(self._next))

    def seek(self, positions: Mapping[int, int]) -> None:
        assert not self._paused & set(positions)
        self._move(positions)

    def _move(self, positions: Mapping[int, int]) -> None:
        assert set(positions) <= set(self._next), "it is not assigned"
        for partition, offset in positions.items():
            self._next[partition] = offset
            self._passed.pop(partition, None)

    def positions(self, partitions: Sequence[int]) -> dict[int, int]:
        return {each: self._passed[each] for each in partitions if each in self._passed}

    def ends(self, partitions: Sequence[int]) -> dict[int, int]:
        return {each: self._ends[each] for each in partitions if each in self._passed}

    def damaged(self) -> Mapping[int, str]:
        logs = self._broker.logs[Topic.UPDATES]
        at = {each: logs[each].damaged for each in self._next if each not in self._paused}
        return {
            each: f"the fake batch at offset {offset} is damaged"
            for each, offset in at.items()
            if offset is not None and self._next[each] == offset
        }

    def blocked(self) -> Collection[int]:
        return self.damaged().keys()

    def renew(self) -> Rebalance:
        before = self.rebalance() or Rebalance(frozenset(), frozenset())
        gone = frozenset(before.revoked | self._next.keys())
        self.close()
        for known in (self._paused, self._passed, self.stuck, self.deaf):
            known.clear()
        self._confirmed = None
        return Rebalance(frozenset(), gone)

    def connection_error(self) -> str | None:
        return None if self._broker.available else "the fake broker is away"

    def close(self) -> None:
        self._broker.group.leave(self.member)
        self.member = ""
        self._next.clear()


class FakePublication:
    """A Publication in memory."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._identity = ""
        self._epoch = 0
        self._transaction: Transaction | None = None
        self._ends: dict[int, int] = {}
        self._refused = False
        self.disconnected = False
        """Whether a connection was lost while a transaction ended."""

    def identity(self) -> str:
        return self._identity

    def begin(self) -> None:
        self._require_own()
        self._broker.passing("begin")
        if self.disconnected:
            raise ProducerLost("an end may arrive late")
        self._transaction = self._broker.open[self._identity] = Transaction()
        self._ends, self._refused = {}, False

    def send(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            # A fenced producer's records get nowhere; it hears of it when it flushes.
            if self._broker.open.get(self._identity) is not self._transaction:
                self._refused = True
            elif self._epoch == self._broker.epochs[self._identity]:
                partition = self._broker.append(record, self._transaction)
                if record.topic is Topic.SESSIONS:
                    self._ends[partition] = self._broker.extent(record.topic, partition).end

    def flush(self) -> dict[int, int]:
        if not self._broker.available:
            raise BatchAborted("the fake broker is away")
        self._require_own()
        self._broker.passing("flush")
        if self._refused:
            raise BatchAborted("no transaction was open any more")
        return self._ends

    def commit(self, offsets: Mapping[int, Committed], membership: Membership) -> None:
        self._require_own()
        self._broker.passing("commit")
        self.send_offsets(offsets, membership)
        self._broker.end(self._identity, commit=True)
        self._transaction = None
        self._broker.passing("committed")

    def send_offsets(self, offsets: Mapping[int, Committed], membership: Membership) -> Transaction:
        """Do the first half of a commit; return the transaction."""
        self._require_own()
        group = self._broker.group
        assert isinstance(membership, tuple)
        member, generation = membership
        if member not in group.members or generation != group.generation:
            raise BatchAborted("the membership has ended")
        assert self._transaction is not None
        if self._broker.open.get(self._identity) is not self._transaction:
            # Ended by somebody's late end: the coordinator begins one with what comes next.
            self._transaction = self._broker.open[self._identity] = Transaction()
        self._transaction.offsets |= offsets
        return self._transaction

    def abort(self) -> None:
        if self._transaction is not None:
            self._transaction = None
            self._require_own()
            self._broker.passing("abort")
            self._broker.end(self._identity, commit=False)

    def replace(self) -> None:
        self._transaction = None
        self._broker.answer()
        self.disconnected = False
        self._identity = f"fake-{next(self._broker.names)}"
        self._epoch = self._broker.init(self._identity)

    def close(self) -> None:
        self._identity = ""

    def _require_own(self) -> None:
        if not self._broker.available:
            raise ProducerLost("the fake broker is away")
        if not self._identity or self._epoch != self._broker.epochs[self._identity]:
            raise ProducerLost("another holds the id")


class FakeCoordination:
    """A Coordination in memory."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    def committed(self, partition: int, *, stable: bool) -> Committed | None:
        self._broker.answer()
        if stable and self._broker.pending(partition):
            raise NotStable("offsets pend")
        return self._broker.committed.get(partition)

    def fence(self, identity: str) -> bool:
        self._broker.answer()
        self._broker.init(identity)
        return True

    def extent(self, topic: Topic, partition: int) -> Extent:
        self._broker.answer()
        if not self._broker.answers(topic, partition):
            raise LogUnavailable(f"the leader of {topic.value} partition {partition} is away")
        return self._broker.extent(topic, partition)

    def ends(self, places: Collection[Place]) -> EndsAnswer:
        found = {
            place: Ends(*self._broker.extent(*place)[1:])
            for place in places
            if self._broker.answers(*place)
        }
        return lambda: found

    def timestamps(self, offsets: Mapping[Place, int]) -> dict[Place, int]:
        found = {}
        for place, offset in offsets.items():
            log = self._broker.logs[place[0]][place[1]]
            records = (each.record for each in log.entries[max(offset, log.start) :])
            first = next((each for each in records if each is not None), None)
            if first is not None and self._broker.answers(*place):
                found[place] = first.timestamp
        return found

    def offset_at(self, partition: int, timestamp: int) -> int:
        self.extent(Topic.UPDATES, partition)
        for record in self._broker.readable(Topic.UPDATES, partition):
            if record.timestamp >= timestamp:
                return record.offset
        return self._broker.extent(Topic.UPDATES, partition).stable_end

    def topic_ids(self) -> dict[Topic, str]:
        self._broker.answer()
        for topic in Topic:
            if topic not in self._broker.ids:
                raise TopicError(f"there is no topic {topic.value}")
        return dict(self._broker.ids)

    def partitions(self, topic: Topic) -> int:
        self.topic_ids()
        return len(self._broker.logs[topic])

    def cluster_id(self) -> str:
        self._broker.answer()
        return "the-fake-cluster"


class FakeScan:
    """A Scan in memory."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        position = start
        while position < end:
            stable = self._broker.extent(topic, partition).stable_end
            found: list[Record] = []
            if self._broker.answers(topic, partition):
                found = [*self._broker.readable(topic, partition, position)]
                later = found[self._broker.chunk :]
                found = found[: self._broker.chunk]
                position = max(position, later[0].offset if later else stable)
                if not found and self._broker.read_up_to(topic, partition) < min(stable, end):
                    raise LogUnavailable("a batch is damaged")
            if not found:
                self._broker.clock.wait(0.1)
            yield [record for record in found if record.offset < end]
