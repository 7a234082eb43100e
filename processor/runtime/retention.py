"""Retention: the owner of a partition ends the sessions there that nobody updates any more."""

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from typing import Final

from processor.core.session import Session, State
from processor.errors import ProcessorError
from processor.partitions.commands_ready import require_commands_known
from processor.ports.clock import Clock
from processor.ports.commands import Commands
from processor.ports.log import Coordination, Scan, Subscription, Topic
from processor.ports.servers import ServerUnavailable
from processor.ports.sessions import CacheLost, SessionCache, Want
from processor.runtime.pipeline import Pipeline
from processor.state.expiry import Keep, Stale, Unreadable, expire, stale
from processor.telemetry.observer import Observer

LOT: Final = 2_000
"""Sessions that are due, and sent together; the next are sent once these are folded."""
FAR_BEHIND: Final = 100_000
"""Records between a partition's position and its end, beyond which it is left alone."""
LONGEST_INTERVAL_S: Final = 3_600.0
_SHORTEST_INTERVAL_S: Final = 1.0
_RETRY_S: Final = 60.0
_PATIENCE_S: Final = 30.0
"""For how long a partition may hold up the sweeps of the others."""
_LOAD_BYTES: Final = 1024 * 1024
_FAULTS: Final = (ServerUnavailable, CacheLost, ProcessorError)
"""What ends the sweep of one partition until the next round."""
SENDER: Final = "retention"
"""What the event ids of its commands begin with."""

_Lot = dict[bytes, tuple[int, Stale]]
"""What is due, by key, each with the hash of its snapshot."""


class _LeftAlone(Exception):  # noqa: N818  what is done
    """The partition is not to be sent to now; its next sweep begins anew."""


class Retention:
    """Sweeps the owned partitions in turn, over and over, a step at each call.

    A sweep reads a partition's output from its beginning to the end that it has then. What is due
    by its snapshot's timestamp, and stands in Redis as it was read, is sent an `expire`. What comes
    between is before it in the log, and wins; so to send one twice, or by an owner that was, is
    harmless. A step takes milliseconds and waits for no record: so a busy loop, whose turns are
    long, lowers the rate, and never stops it.
    """

    def __init__(
        self,
        keep: Keep,
        *,
        pipeline: Pipeline,
        subscription: Subscription,
        coordination: Coordination,
        scan: Scan,
        commands: Commands,
        cache: SessionCache,
        session_of: Callable[[bytes], Session],
        partitions: int,
        clock: Clock,
        observer: Observer,
    ) -> None:
        """Take the parts; `scan` waits for no record, `partitions` is how many the input has."""
        self._keep = keep
        self._pipeline = pipeline
        self._subscription = subscription
        self._coordination = coordination
        self._scan = scan
        self._commands = commands
        self._cache = cache
        self._session_of = session_of
        self._partitions = partitions
        self._clock = clock
        self._observer = observer
        self._interval = interval(keep)
        self._next_at = 0.0
        self._round: Generator[bool, None, None] | None = None
        self._flowing: Callable[[], Mapping[int, int]] = dict
        self._sent: dict[int, int] = {}
        """The input offset behind the last command that was sent to each partition."""

    @property
    def sweeping(self) -> bool:
        """Whether a round is under way."""
        return self._round is not None

    def step(self, flowing: Callable[[], Mapping[int, int]]) -> bool:
        """Take a step; return whether the next one may follow at once. Raises nothing.

        `flowing` returns the next offset of each owned partition that nothing holds back.
        """
        self._flowing = flowing
        if self._round is None:
            if self._clock.monotonic() < self._next_at or not self._pipeline.owned:
                return False
            self._round = self._sweeps()
        after = self._interval
        try:
            return next(self._round)
        except StopIteration:
            pass
        except _FAULTS as fault:
            self._observer.sweep_failed(str(fault))
            after = min(_RETRY_S, after)
        self._round = None
        self._next_at = self._clock.monotonic() + after
        return False

    def _sweeps(self) -> Generator[bool, None, None]:
        for partition in range(self._partitions):
            require_commands_known(self._coordination, [partition])
            yield True
        swept = set[int]()
        while left := self._pipeline.owned.keys() - swept:
            partition = min(left)
            swept.add(partition)
            if self._may_send(partition):
                try:
                    yield from self._sweep(partition)
                except _LeftAlone:
                    self._observer.sweep_failed(f"partition {partition} is behind, or held back")
                except _FAULTS as fault:  # the others are swept all the same
                    self._observer.sweep_failed(f"partition {partition}: {fault}")

    def _sweep(self, partition: int) -> Generator[bool, None, None]:
        begun, now = self._clock.monotonic(), self._clock.now_ms()
        end = self._pipeline.owned[partition].position.output
        lot: _Lot = {}
        sent = Counter[State]()
        read = 0
        unreadable = Unreadable()
        for records in self._scan.read(Topic.SESSIONS, partition, 0, end):
            found = stale(records, self._keep, now, self._session_of, unreadable)
            for key, due in found.items():
                if due is not None:
                    lot[key] = hash(due[0].value), due[1]
            read += len(records)
            yield bool(records)
            if partition not in self._pipeline.owned:
                return
            if len(lot) >= LOT:
                sent += yield from self._expire(partition, lot)
                lot = {}
        if lot:
            sent += yield from self._expire(partition, lot)
        if unreadable.count:
            self._observer.sweep_passed_over(partition, unreadable.count, unreadable.first)
        self._observer.swept(partition, read, sent, self._clock.monotonic() - begun)

    def _expire(self, partition: int, lot: _Lot) -> Generator[bool, None, Counter[State]]:
        """Send what still stands as it was read; return how many of each state.

        Raises _LeftAlone where the partition is another's, or has waited for long.
        """
        until = self._clock.monotonic() + _PATIENCE_S
        while not self._may_send(partition):
            if self._clock.monotonic() > until:
                raise _LeftAlone
            yield False
        sent = Counter[State]()
        keys = list(lot)
        while keys:
            if partition not in self._pipeline.owned:
                raise _LeftAlone
            want = Want(self._pipeline.owned[partition].stamp, keys)
            values = self._cache.load({partition: want}, _LOAD_BYTES)[partition]
            for key, value in zip(keys, values, strict=False):
                seen, due = lot[key]
                if value is not None and hash(value) == seen:
                    command = expire(due, SENDER, partition, self._clock.now_ms())
                    self._commands.send(partition, command)
                    sent[due.state] += 1
            keys = keys[len(values) :]
            yield True
        while self._commands.unanswered():
            yield False
        self._sent |= self._commands.flush(0.0)
        return sent

    def _may_send(self, partition: int) -> bool:
        """Whether nothing holds it back, it is not far behind, and what was sent is folded."""
        offset = self._flowing().get(partition)
        if offset is None or offset < self._sent.get(partition, 0):
            return False
        end = self._subscription.ends([partition]).get(partition, 0)
        return end - offset <= FAR_BEHIND


def interval(keep: Keep) -> float:
    """Return the seconds from one round's end to the next: a part of the shortest time."""
    part = min(keep.values()) / 1000 / 24
    return min(LONGEST_INTERVAL_S, max(_SHORTEST_INTERVAL_S, part))
