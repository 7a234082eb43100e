"""The log's protocols in memory: any number of processes on one `FakeBroker`."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from fakes.broker import FakeBroker, Transaction
from processor.errors import TopicError
from processor.ports.latest import Latest, latest_of
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
)
from processor.ports.segments import ROLLED, is_rolling
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots


def one_by_one(snapshots: Snapshots) -> Iterator[Outgoing]:
    """Yield the record that is published for each snapshot."""
    for fields in zip(*snapshots, strict=True):
        yield Outgoing(Topic.SESSIONS, *fields)


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
        silent = self._paused | self.stuck | self.deaf
        for partition, start in self._next.items():
            if partition in silent or start is None:
                continue
            if not self._broker.answers(Topic.UPDATES, partition):
                continue
            extent = self._broker.extent(Topic.UPDATES, partition)
            self._ends[partition] = extent.stable_end
            if not extent.start <= start <= extent.end:
                self._news = self.renew()
                return []
            if start == extent.stable_end:
                self._passed[partition] = start
                continue
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

    def send(self, records: Sequence[Outgoing], snapshots: Snapshots = NO_SNAPSHOTS) -> None:
        for record in (*one_by_one(snapshots), *records):
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

    def offset_at(self, partition: int, timestamp: int, topic: Topic = Topic.UPDATES) -> int:
        self.extent(topic, partition)
        for record in self._broker.readable(topic, partition):
            if record.timestamp >= timestamp:
                return record.offset
        return self._broker.extent(topic, partition).stable_end

    def topic_ids(self, topics: Collection[Topic] = tuple(Topic)) -> dict[Topic, str]:
        self._broker.answer()
        for topic in topics:
            if topic not in self._broker.ids:
                raise TopicError(f"there is no topic {topic.value}")
        return {topic: self._broker.ids[topic] for topic in topics}

    def partitions(self, topic: Topic) -> int:
        self.topic_ids()
        return len(self._broker.logs[topic])

    def tombstones_kept_ms(self) -> int:
        self._broker.answer()
        return self._broker.tombstones_kept_ms

    def cluster_id(self) -> str:
        self._broker.answer()
        return "the-fake-cluster"


class FakeScan:
    """A Scan and a LatestScan in memory."""

    def __init__(self, broker: FakeBroker, *, uncommitted: bool = False) -> None:
        self._broker = broker
        self._uncommitted = uncommitted

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        if self._uncommitted:
            entries = self._broker.logs[topic][partition].entries[start:end]
            yield [each.record for each in entries if each.record is not None]
            return
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
            rolled = topic in ROLLED
            yield [
                record
                for record in found
                if record.offset < end and not (rolled and is_rolling(record))
            ]

    def latest(self, topic: Topic, partition: int, start: int, end: int) -> Iterator[Latest]:
        return map(latest_of, self.read(topic, partition, start, end))
