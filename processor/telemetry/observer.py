"""What the loop tells of itself: each event once, to the log, the metrics and the probes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from processor.core.session import State
from processor.ports.clock import Clock
from processor.ports.log import Rebalance, Record, Subscription
from processor.stages.batch import RejectedRecord, last_of_each
from processor.telemetry.health import STARTUP, Health
from processor.telemetry.held_up import HeldUp
from processor.telemetry.incidents import HALT_HINT, Incidents
from processor.telemetry.metrics import Lag, Metrics
from processor.telemetry.status import (
    AWAITING_SCHEMA,
    BEING_TAKEN_OVER,
    HALTED,
    RESTORING,
    TAKING_OVER,
    Restoring,
    Status,
)

_SAY_EVERY_S: Final = 5.0
_log: Final = structlog.get_logger("processor")


class Observer:
    """Called by the loop's thread; never raises, never blocks."""

    def __init__(self, health: Health, metrics: Metrics, clock: Clock) -> None:
        self._health = health
        self.metrics = metrics
        self._clock = clock
        self.incidents = Incidents(clock)
        self.status = Status(clock, health, self.incidents)
        self.held_up = HeldUp(health, metrics, self.incidents, self.status)
        self._away: set[str] = set()
        self._restores: dict[int, tuple[float, float]] = {}
        self._last_timestamps: dict[int, int] = {}
        self._caught_up: dict[int, int] = {}
        self._halted: set[int] = set()
        self._awaiting: dict[int, str] = {}
        self._joined = False

    def turned(self) -> None:
        """Note that the loop turned."""
        self._health.turned()

    def committed(self, records: Sequence[Record], letters: Sequence[RejectedRecord]) -> None:
        """Note a committed batch: how far it went, in record time, and its dead letters."""
        times = {each: record.timestamp for each, record in last_of_each(records).items()}
        self._last_timestamps |= {each: time for each, time in times.items() if time >= 0}
        told = ((each.record.partition, each.rejected.reason) for each in letters)
        self.status.committed(times, told)

    def aborted(self, why: str) -> None:
        """Tell of a transaction that was aborted, or a batch that was dropped before one."""
        self.metrics.aborts.inc()
        self.incidents.warning("batch aborted, reading it again", why=why)

    def batch_halved(self, records: int) -> None:
        """Tell that fewer records are taken at once, since a batch was not committed in time."""
        self.incidents.warning("batch not committed in time, taking smaller ones", records=records)

    def producer_lost(self, why: str) -> None:
        """Tell that the producer is to be replaced."""
        self.metrics.fences.inc()
        self.incidents.warning("producer lost, replacing it", why=why)

    def store_failed(self, why: str) -> None:
        """Tell that the cache is not what was written, so that partitions are restored."""
        self.metrics.store_failures.inc()
        self.incidents.warning("cache lost, restoring it", why=why)

    def away(self, server: str, why: str, retry_in: float) -> None:
        """Tell that a server does not answer; to the log only when that is news."""
        self._health.warn(server, why)
        if server == "redis":
            self.metrics.store_failures.inc()
        if server not in self._away:
            self._away.add(server)
            self.incidents.warning(
                "server away, waiting for it", server=server, why=why, retry_in=retry_in
            )

    def back(self, server: str) -> None:
        """Tell that a server answers again, if it was away."""
        if server in self._away:
            self._away.discard(server)
            self._health.clear(server)
            _log.info("server back", server=server)

    def rebalanced(self, change: Rebalance, assigned: Collection[int]) -> None:
        """Tell what the group changed, and what is assigned now."""
        self.metrics.rebalances.inc()
        self.metrics.assigned(assigned)
        self.status.assigned(change.revoked, change.assigned)
        for partition in change.revoked | change.assigned:
            self._halted.discard(partition)
            self._health.clear(_flood(partition))
            self.held_up.forget(partition)
        for partition in change.assigned:
            self.metrics.halted(partition, halted=False)
            self.metrics.stalled(partition, stalled=False)
        for partition in change.revoked - change.assigned:
            self._health.clear(_subject(partition))
            self._last_timestamps.pop(partition, None)
            self._caught_up.pop(partition, None)
        self._health.clear(STARTUP)
        _log.info(
            "assignment changed",
            assigned=sorted(change.assigned),
            revoked=sorted(change.revoked),
            now=sorted(assigned),
        )

    def restarted(self, partition: int) -> None:
        """Tell that a partition is being taken over."""
        self._health.hold(_subject(partition), BEING_TAKEN_OVER)
        self.status.leave(partition, RESTORING)
        self.status.enter(partition, TAKING_OVER, BEING_TAKEN_OVER)

    def owned(self, partition: int, offset: int) -> None:
        """Tell that a partition is restored and its records come."""
        self._health.clear(_subject(partition))
        self.status.leave(partition, TAKING_OVER, RESTORING)
        _log.info("partition ready", partition=partition, offset=offset)

    def halted(self, partition: int, limit: str, why: str) -> None:
        """Tell that a partition's dead letters passed a limit, so that it is held back."""
        self._halted.add(partition)
        self.metrics.halted(partition, halted=True)
        self.metrics.limit_passed(limit)
        self._health.hold(_flood(partition), f"halted: {why}; {HALT_HINT}")
        self.status.enter(partition, HALTED, f"{why}; {HALT_HINT}")
        self.incidents.error(
            "partition halted, the others go on",
            partition=partition,
            why=why,
            hint=HALT_HINT,
        )

    def schema_awaited(self, partition: int, why: str) -> None:
        """Tell that a partition is held back before a record whose schema is not known."""
        self.status.enter(partition, AWAITING_SCHEMA, why)
        if self._awaiting.get(partition) != why:
            self._awaiting[partition] = why
            self._health.warn(_schema(partition), f"held back, {why}")
            self.incidents.warning("partition waits for a schema", partition=partition, why=why)

    def schema_known(self, partition: int) -> None:
        """Tell that a partition goes on that was held back for a schema."""
        if self._awaiting.pop(partition, None) is not None:
            self._health.clear(_schema(partition))
            self.status.leave(partition, AWAITING_SCHEMA)
            _log.info("partition goes on", partition=partition)

    def rebuilding(self, partition: int) -> None:
        """Tell that a partition's cache is rebuilt from the whole output."""
        self.metrics.rebuilds.inc()
        _log.info("rebuilding the cache", partition=partition)

    def restoring(self, partition: int, done: int, total: int) -> None:
        """Tell how far a restore is, in offsets; to the log every few seconds."""
        now = self._clock.monotonic()
        self.metrics.restore(partition, done, total)
        begun, said = self._restores.get(partition, (now, now))
        if done == 0:
            begun, said = now, now
        rate = done / (now - begun) if now > begun else 0.0
        left = round((total - done) / rate) if rate else None
        if 0 < done < total and now - said >= _SAY_EVERY_S:
            _log.info(
                "restoring",
                partition=partition,
                done=done,
                total=total,
                per_second=round(rate),
                seconds_left=left,
            )
            said = now
        self._restores[partition] = (begun, said)
        if done < total:
            why = f"restoring, {done} of {total} offsets"
            self._health.hold(_subject(partition), why)
            self.status.restoring(partition, Restoring(done, total, rate, left), why)
        elif total:
            _log.info(
                "restored",
                partition=partition,
                offsets=total,
                seconds=round(now - begun, 3),
                per_second=round(rate) or total,
            )

    def claims_lost(self) -> None:
        """Tell that the claims are being rebuilt."""
        self._health.hold("claims", "rebuilding the profile claims")
        _log.info("rebuilding the profile claims")

    def claims_rebuilt(self) -> None:
        """Tell that claims can be decided again."""
        self._health.clear("claims")
        _log.info("profile claims ready")

    def next_times(self, times: Mapping[int, int | None]) -> None:
        """Take the timestamps of the records that are next; where there is none, age begins now."""
        now = self._clock.now_ms()
        for partition, timestamp in times.items():
            self._last_timestamps.setdefault(partition, now if timestamp is None else timestamp)

    def swept(
        self, partition: int, records: int, sent: Mapping[State, int], seconds: float
    ) -> None:
        """Tell of a partition's output that retention has read, and of what it sent commands to."""
        _log.info(
            "output swept for sessions that are due",
            partition=partition,
            records=records,
            sent=dict(sorted(sent.items())),
            seconds=round(seconds, 3),
        )

    def sweep_passed_over(self, partition: int, unreadable: int, first: str) -> None:
        """Tell of snapshots that retention cannot read, and of the first one's place."""
        self.incidents.warning(
            "snapshots that cannot be read are kept for ever",
            partition=partition,
            records=unreadable,
            first=first,
        )

    def sweep_failed(self, why: str) -> None:
        """Tell that retention left off a partition or a round; it begins anew."""
        self.incidents.warning("sweep left off, trying again later", why=why)

    def look(
        self, subscription: Subscription, running: Mapping[int, int], ends: Mapping[int, int]
    ) -> dict[int, int]:
        """Note the lag of the owned partitions, and what the client says of its brokers.

        Called every few seconds: who has been in the group for as long, and was given nothing, is
        ready. With KIP-848 the group says nothing to such a member.

        `ends` are those that leaders told. Returns the position of each partition that is behind
        and whose `next_times` are wanted.
        """
        self.status.process(member=subscription.member)
        joined = subscription.membership() is not None
        if joined and self._joined:
            self._health.clear(STARTUP)
        self._joined = joined
        known = subscription.ends(list(running))
        # The position of one that is held back is past what was fetched, and not committed.
        held = self._halted | self._awaiting.keys()
        positions = subscription.positions([each for each in running if each not in held])
        lags = {}
        wanted = {}
        now = self._clock.now_ms()
        for partition in running.keys() & (known.keys() | ends.keys()):
            position = max(running[partition], positions.get(partition, 0))
            behind = max(0, known.get(partition, 0) - position, ends.get(partition, 0) - position)
            age = 0.0
            if not behind:
                self._caught_up[partition] = now
            elif partition in self._last_timestamps:
                # What waits has come since the partition was last seen at its end.
                since = max(self._last_timestamps[partition], self._caught_up.get(partition, 0))
                age = max(0.0, (now - since) / 1000)
            else:
                wanted[partition] = position
            lags[partition] = lag = Lag(behind, age)
            self.status.measured(partition, position, position + behind, lag)
        self.metrics.lag(lags)
        self.held_up.look_for_damage(subscription.damaged(), running)
        connection_error = subscription.connection_error()
        if connection_error is None:
            self.back("kafka")
        else:
            self.away("kafka", connection_error, retry_in=0.0)
        return wanted


def _subject(partition: int) -> str:
    return f"partition {partition}"


def _schema(partition: int) -> str:
    return f"schema of partition {partition}"


def _flood(partition: int) -> str:
    return f"dead letters of partition {partition}"
