"""The fakes with what only a simulation asks of them (docs/testing.md says what holds them)."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fakes.broker import Entry, FakeBroker, Transaction
from fakes.clock import FakeClock
from fakes.log import FakePublication, FakeSubscription
from fakes.redis import FakeClaims
from fakes.redis_server import FakeServer, Fields

from processor.ports.log import (
    BatchAborted,
    Committed,
    Extent,
    Membership,
    Outgoing,
    Place,
    Topic,
)
from processor.ports.sessions import CacheUnavailable
from simulation.history import Feed
from simulation.scheduler import Scheduler

TRANSACTION_TIMEOUT_S = 60.0
LEASE_S = 10.0
KEPT_WRITES = 8
"""Calls that wrote, of which a failover may lose any number of the last."""


class _Open(dict[str, Transaction]):
    """Open transactions; each is aborted once its time is over."""

    def __init__(self, broker: "SimulatedBroker") -> None:
        super().__init__()
        self._broker = broker

    def __setitem__(self, identity: str, transaction: Transaction) -> None:
        super().__setitem__(identity, transaction)
        self._broker.scheduler.after(
            TRANSACTION_TIMEOUT_S, lambda: self._broker.time_out(identity, transaction)
        )


class OfOtherGroup(Transaction):
    """One whose offsets are another group's than the services'."""

    def __init__(self, group: dict[int, Committed]) -> None:
        super().__init__()
        self.group = group
        self.positions: dict[int, Committed] = {}


class _Ending:
    """A transaction whose end is decided, and whose markers are on their way."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.places: list[Place] = list(transaction.first)
        self.offsets = bool(transaction.offsets) or isinstance(transaction, OfOtherGroup)


class SimulatedBroker(FakeBroker):
    """Markers take their time, transactions time out, and somebody is told of each commit."""

    def __init__(
        self,
        partitions: int,
        scheduler: Scheduler,
        clock: FakeClock,
        on_commit: Callable[[str, Transaction], None],
        *,
        marker_delay: float,
        quiet: bool,
    ) -> None:
        """Take the longest time that a marker takes; `quiet`: as `group.protocol=consumer`."""
        super().__init__(partitions, clock)
        self.scheduler = scheduler
        self.quiet = quiet
        self.ending: dict[str, _Ending] = {}
        self.former: dict[int, list[Committed]] = defaultdict(list)
        """All that was committed of each partition."""
        self.open = _Open(self)
        self._on_commit = on_commit
        self._marker_delay = marker_delay

    def feed(self, feed: Feed) -> None:
        """Write input; what a transaction wrote has its marker at once."""
        transaction = None if feed.committed is None else Transaction()
        for record in feed.records:
            self.append(record, transaction)
        if transaction is not None:
            transaction.committed = feed.committed is True
            for topic, partition in transaction.first:
                self.logs[topic][partition].entries.append(Entry(None, transaction))

    def time_out(self, identity: str, transaction: Transaction) -> None:
        if self.open.get(identity) is transaction:
            self.epochs[identity] += 1
            self.end(identity, commit=False)

    def append(self, outgoing: Outgoing, transaction: Transaction | None = None) -> int:
        if transaction is not None and self.ending:
            # A producer's next transaction waits for the markers of the one before.
            for identity in [each for each in self.ending if self.open.get(each) is transaction]:
                self.finish(identity)
        return super().append(outgoing, transaction)

    def extent(self, topic: Topic, partition: int) -> Extent:
        extent = super().extent(topic, partition)
        if not self.ending:
            return extent
        place = topic, partition
        stable = extent.stable_end
        for each in self.ending.values():
            if place in each.places:
                stable = min(stable, each.transaction.first[place])
        return extent if stable == extent.stable_end else extent._replace(stable_end=stable)

    def pending(self, partition: int) -> bool:
        return super().pending(partition) or any(
            each.offsets and partition in each.transaction.offsets for each in self.ending.values()
        )

    def init(self, identity: str) -> int:
        self.finish(identity)
        return super().init(identity)

    def end(self, identity: str, *, commit: bool) -> None:
        self.finish(identity)
        transaction = self.open.pop(identity, None)
        if transaction is None:
            return
        transaction.committed = commit
        if commit:
            self._on_commit(identity, transaction)
        ending = self.ending[identity] = _Ending(transaction)
        if self._marker_delay == 0:
            self.finish(identity)
            return
        chance, after = self.scheduler.chance, self.scheduler.after
        for place in list(ending.places):
            delay = chance.random() * self._marker_delay
            after(delay, lambda place=place: self._mark(identity, ending, place))  # type: ignore[misc]
        after(chance.random() * self._marker_delay, lambda: self._settle(identity, ending))

    def finish(self, identity: str) -> None:
        """Let all markers of a transaction that was ended be there."""
        ending = self.ending.get(identity)
        if ending is not None:
            for place in list(ending.places):
                self._mark(identity, ending, place)
            self._settle(identity, ending)

    def _mark(self, identity: str, ending: _Ending, place: Place) -> None:
        if place in ending.places:
            ending.places.remove(place)
            topic, partition = place
            self.logs[topic][partition].entries.append(Entry(None, ending.transaction))
            self._end_if_done(identity, ending)

    def _settle(self, identity: str, ending: _Ending) -> None:
        if ending.offsets and ending.transaction.committed:
            self.committed |= ending.transaction.offsets
            for partition, committed in ending.transaction.offsets.items():
                self.former[partition].append(committed)
            if isinstance(ending.transaction, OfOtherGroup):
                ending.transaction.group |= ending.transaction.positions
        ending.offsets = False
        self._end_if_done(identity, ending)

    def _end_if_done(self, identity: str, ending: _Ending) -> None:
        if not ending.places and not ending.offsets and self.ending.get(identity) is ending:
            del self.ending[identity]


class SimulatedSubscription(FakeSubscription):
    """With `quiet`, a member that keeps what it has is given its new epoch without a rebalance."""

    _broker: SimulatedBroker

    def _meet_group(self) -> None:
        group = self._broker.group
        known = self._broker.quiet and self.member in group.members
        if known and group.settle(self.member) == set(self._next):
            self._generation = group.generation
            return
        super()._meet_group()


class SimulatedPublication(FakePublication):
    """Its commit has two halves, and others may come between: the offsets, then the end."""

    def __init__(
        self, broker: SimulatedBroker, claims: "SimulatedClaims", between: Callable[[], None]
    ) -> None:
        super().__init__(broker)
        self._claims = claims
        self._between = between

    def begin(self) -> None:
        super().begin()
        if self._transaction is not None:
            self._transaction.since = self._claims.looked_at

    def flush(self) -> dict[int, int]:
        transaction = self._transaction
        if transaction is not None and self._broker.leaders_away & transaction.first.keys():
            raise BatchAborted("the leader of a partition is away")
        return super().flush()

    def commit(self, offsets: Mapping[int, Committed], membership: Membership) -> None:
        self.send_offsets(offsets, membership)
        self._between()
        self._require_own()
        self._broker.end(self._identity, commit=True)
        self._transaction = None


class SimulatedClaims(FakeClaims):
    """One of a former primary that is cut off does not say that claims stand there."""

    _server: "SimulatedServer"
    looked_at = 0.0
    """When the holders were asked for last."""

    def holders(self, profiles: Iterable[str]) -> tuple[str, dict[str, str]]:
        self.looked_at = self._server.now
        return super().holders(profiles)

    def is_current(self, generation: str) -> bool:
        if self._server.cut_off:
            raise CacheUnavailable("NOREPLICAS: the simulated server takes no writes")
        return super().is_current(generation)


class SimulatedServer(FakeServer):
    """Its lease ends; it remembers what its last calls wrote, and tells somebody of each write."""

    def __init__(
        self, scheduler: Scheduler, on_put: Callable[["SimulatedServer", str, Fields], None]
    ) -> None:
        self._scheduler = scheduler
        self._lease: tuple[str, float] | None = None
        super().__init__()
        self.full = False
        self.cut_off = False
        self._on_put = on_put
        self._before: deque[list[Any]] = deque(maxlen=KEPT_WRITES)

    @property
    def now(self) -> float:
        return self._scheduler.now

    @property
    def lease(self) -> str | None:
        if self._lease is None or self._lease[1] <= self._scheduler.now:
            return None
        return self._lease[0]

    @lease.setter
    def lease(self, token: str | None) -> None:
        self._lease = None if token is None else (token, self._scheduler.now + LEASE_S)

    def put(self, name: str, fields: Fields) -> None:
        super().put(name, fields)
        self._on_put(self, name, fields)

    def forget_undo(self) -> None:
        if self.full or self.cut_off:
            why = "NOREPLICAS" if self.cut_off else "OOM"
            raise CacheUnavailable(f"{why}: the simulated server takes no writes")
        self._remember()

    def _remember(self) -> None:
        if self._undo:
            self._before.append(self._undo)
            self._undo = []

    def delete(self, name: str) -> None:
        """Lose one key; the replica hears of it as of any write."""
        self._remember()
        self.unlink(name)

    def flush(self) -> None:
        super().flush()
        self._before.clear()

    def fail_over(self, lost: int) -> None:
        """Go on as a replica that lacks what the last calls wrote."""
        for _ in range(lost):
            self.lose_last_write()
            if self._before:
                self._undo = self._before.pop()
        self.run_id += 1

    def split(self) -> "SimulatedServer":
        """Return another primary that begins with the same data; this one takes no more writes.

        So it is where `min-replicas-to-write` is set as docs/operations/settings.md asks.
        """
        self.cut_off = True
        other = SimulatedServer(self._scheduler, self._on_put)
        other.hashes = {name: dict(fields) for name, fields in self.hashes.items()}
        other._names, other.run_id, other.lease = self._names, self.run_id + 1, self.lease
        return other
