"""What the loop tells of itself: each event once, to the log, the metrics and the probes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from processor.core.session import State
from processor.ports.clock import Clock
from processor.ports.log import Rebalance, Record, Subscription
from processor.telemetry.health import STARTUP, Health
from processor.telemetry.held_up import HeldUp
from processor.telemetry.metrics import Lag, Metrics

WHAT_TO_DO: Final = (
    "look with `session-processor dead-letters summary` and `dead-letters list`, mend the producer "
    "or the schemas, then start the process again: it goes on where the partition stands"
)
"""What an operator does about a halted partition."""
WHAT_TO_DO_ABOUT_DAMAGE: Final = (
    "it is read again every 30 s; move the partition's leader to a replica that has it whole: see "
    '"a batch of the input is damaged" in docs/operations/failures.md'
)
"""What an operator does about a batch whose checksum is wrong."""
_SAY_EVERY_S: Final = 5.0
_log: Final = structlog.get_logger("processor")


class Observer:
    """Called by the loop's thread; never raises, never blocks."""

    def __init__(self, health: Health, metrics: Metrics, clock: Clock) -> None:
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self.held_up = HeldUp(health, metrics)
        self._away: set[str] = set()
        self._restores: dict[int, tuple[float, float]] = {}
        self._last_timestamps: dict[int, int] = {}
        self._caught_up: dict[int, int] = {}
        self._halted: set[int] = set()
        self._awaiting: dict[int, str] = {}
        self._damaged: dict[int, str] = {}
        self._joined = False

    def turned(self) -> None:
        """Note that the loop turned."""
        self._health.turned()

    def processed(self, records: Sequence[Record]) -> None:
        """Note how far a batch went, in record time."""
        self._last_timestamps.update(
            {record.partition: record.timestamp for record in records if record.timestamp >= 0}
        )

    def aborted(self, why: str) -> None:
        """Tell of a transaction that was aborted, or a batch that was dropped before one."""
        self._metrics.aborts.inc()
        _log.warning("batch aborted, reading it again", why=why)

    def batch_halved(self, records: int) -> None:
        """Tell that fewer records are taken at once, since a batch was not committed in time."""
        _log.warning("batch not committed in time, taking smaller ones", records=records)

    def producer_lost(self, why: str) -> None:
        """Tell that the producer is to be replaced."""
        self._metrics.fences.inc()
        _log.warning("producer lost, replacing it", why=why)

    def store_failed(self, why: str) -> None:
        """Tell that the cache is not what was written, so that partitions are restored."""
        self._metrics.store_failures.inc()
        _log.warning("cache lost, restoring it", why=why)

    def away(self, server: str, why: str, retry_in: float) -> None:
        """Tell that a server does not answer; to the log only when that is news."""
        self._health.warn(server, why)
        if server == "redis":
            self._metrics.store_failures.inc()
        if server not in self._away:
            self._away.add(server)
            _log.warning("server away, waiting for it", server=server, why=why, retry_in=retry_in)

    def back(self, server: str) -> None:
        """Tell that a server answers again, if it was away."""
        if server in self._away:
            self._away.discard(server)
            self._health.clear(server)
            _log.info("server back", server=server)

    def rebalanced(self, change: Rebalance, assigned: Collection[int]) -> None:
        """Tell what the group changed, and what is assigned now."""
        self._metrics.rebalances.inc()
        self._metrics.assigned(assigned)
        for partition in change.revoked | change.assigned:
            self._halted.discard(partition)
            self._health.clear(_flood(partition))
            self.held_up.forget(partition)
        for partition in change.assigned:
            self._metrics.halted(partition, halted=False)
            self._metrics.stalled(partition, stalled=False)
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
        self._health.hold(_subject(partition), "being taken over")

    def owned(self, partition: int, offset: int) -> None:
        """Tell that a partition is restored and its records come."""
        self._health.clear(_subject(partition))
        _log.info("partition ready", partition=partition, offset=offset)

    def halted(self, partition: int, limit: str, why: str) -> None:
        """Tell that a partition's dead letters passed a limit, so that it is held back."""
        self._halted.add(partition)
        self._metrics.halted(partition, halted=True)
        self._metrics.limit_passed(limit)
        self._health.hold(_flood(partition), f"halted: {why}; {WHAT_TO_DO}")
        _log.error(
            "partition halted, the others go on",
            partition=partition,
            why=why,
            hint=WHAT_TO_DO,
        )

    def schema_awaited(self, partition: int, why: str) -> None:
        """Tell that a partition is held back before a record whose schema is not known."""
        if self._awaiting.get(partition) != why:
            self._awaiting[partition] = why
            self._health.warn(_schema(partition), f"held back, {why}")
            _log.warning("partition waits for a schema", partition=partition, why=why)

    def schema_known(self, partition: int) -> None:
        """Tell that a partition goes on that was held back for a schema."""
        if self._awaiting.pop(partition, None) is not None:
            self._health.clear(_schema(partition))
            _log.info("partition goes on", partition=partition)

    def rebuilding(self, partition: int) -> None:
        """Tell that a partition's cache is rebuilt from the whole output."""
        self._metrics.rebuilds.inc()
        _log.info("rebuilding the cache", partition=partition)

    def restoring(self, partition: int, done: int, total: int) -> None:
        """Tell how far a restore is, in offsets; to the log every few seconds."""
        now = self._clock.monotonic()
        self._metrics.restore(partition, done, total)
        begun, said = self._restores.get(partition, (now, now))
        if done == 0:
            begun, said = now, now
        elif done < total and now - said >= _SAY_EVERY_S:
            rate = done / (now - begun)
            _log.info(
                "restoring",
                partition=partition,
                done=done,
                total=total,
                per_second=round(rate),
                seconds_left=round((total - done) / rate),
            )
            said = now
        self._restores[partition] = (begun, said)
        if done < total:
            self._health.hold(_subject(partition), f"restoring, {done} of {total} offsets")
        elif total:
            seconds = now - begun
            _log.info(
                "restored",
                partition=partition,
                offsets=total,
                seconds=round(seconds, 3),
                per_second=round(total / seconds) if seconds else total,
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
        _log.warning(
            "snapshots that cannot be read are kept for ever",
            partition=partition,
            records=unreadable,
            first=first,
        )

    def sweep_failed(self, why: str) -> None:
        """Tell that retention left off a partition or a round; it begins anew."""
        _log.warning("sweep left off, trying again later", why=why)

    def look(
        self, subscription: Subscription, running: Mapping[int, int], ends: Mapping[int, int]
    ) -> dict[int, int]:
        """Note the lag of the owned partitions, and what the client says of its brokers.

        Called every few seconds: who has been in the group for as long, and was given nothing, is
        ready. With KIP-848 the group says nothing to such a member.

        `ends` are those that leaders told. Returns the position of each partition that is behind
        and whose `next_times` are wanted.
        """
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
            lags[partition] = Lag(behind, age)
        self._metrics.lag(lags)
        self._look_for_damage(subscription.damaged(), running)
        connection_error = subscription.connection_error()
        if connection_error is None:
            self.back("kafka")
        else:
            self.away("kafka", connection_error, retry_in=0.0)
        return wanted

    def _look_for_damage(self, damaged: Mapping[int, str], running: Collection[int]) -> None:
        for partition in self._damaged.keys() - damaged.keys():
            self._health.clear(_damage(partition))
            _log.info("damaged batch read, the partition goes on", partition=partition)
        for partition, why in damaged.items():
            if partition not in self._damaged:
                hint = WHAT_TO_DO_ABOUT_DAMAGE
                self._health.warn(_damage(partition), f"stands still: {why}; {hint}")
                _log.error(
                    "batch damaged, partition stands", partition=partition, why=why, hint=hint
                )
        self._damaged = dict(damaged)
        for partition in running:
            self._metrics.damaged(partition, damaged=partition in damaged)


def _subject(partition: int) -> str:
    return f"partition {partition}"


def _schema(partition: int) -> str:
    return f"schema of partition {partition}"


def _damage(partition: int) -> str:
    return f"input of partition {partition}"


def _flood(partition: int) -> str:
    return f"dead letters of partition {partition}"
