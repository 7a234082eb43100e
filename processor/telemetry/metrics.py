"""What is counted and measured; every method is called once a batch, or more seldom."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple, ParamSpec, TypeVar, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from processor import __version__
from processor.core.outcome import ENDED, PASSED_OVER, Reason
from processor.core.session import State
from processor.ports.clock import Clock

PREFIX: Final = "session_processor"
_RECORDS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 4000, 10_000)
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BY_PARTITION: Final = ("partition",)

P = ParamSpec("P")
R = TypeVar("R")


class Lag(NamedTuple):
    """How far a partition is behind its end: in records, and in seconds of record time."""

    records: int
    seconds: float


class Metrics:
    """The metrics of one process, in a registry of their own.

    Written by the loop's thread and that of its commits, read by the endpoint's. Counters exist, at
    zero, from the start; series of a partition exist while it is assigned.
    """

    def __init__(self, codec: str) -> None:
        # Without this the text form carries a second series a counter: when it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._exemplar: dict[str, str] | None = None
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._throughput()
        self._partitions()
        self._cache()
        self._incidents()
        build = self._gauge("build_info", "The version and the codec in use.", "version", "codec")
        build.labels(__version__, codec).set(1)

    def batch(
        self,
        *,
        accepted: int,
        duplicates: int,
        rejected: Mapping[Reason, int],
        commands: Mapping[tuple[str, str], int],
        expired: Mapping[str, int],
        seconds: float,
        commit_seconds: float,
        end_to_end_seconds: float | None = None,
    ) -> None:
        """Count one committed batch: its records by outcome, and its time with the commit's.

        `end_to_end_seconds` is from its first record's timestamp to its commit.

        `commands` are those that were not rejected, by command and outcome; `expired` are the
        sessions that an expire ended, by state.
        """
        refused = sum(rejected.values())
        self._accepted.inc(accepted)
        self._duplicates.inc(duplicates)
        self._refused.inc(refused)
        for reason, count in rejected.items():
            self._rejected.labels(reason.value).inc(count)
        commanded = sum(commands.values())
        self._commanded.inc(commanded)
        for (command, outcome), count in commands.items():
            self._commands.labels(command, outcome).inc(count)
        for state, count in expired.items():
            self._expired.labels(state).inc(count)
        self._batch_records.observe(accepted + duplicates + refused + commanded)
        self._batch_seconds.observe(seconds)
        self._commit_seconds.observe(commit_seconds)
        self._last_commit.set_to_current_time()
        if end_to_end_seconds is not None:
            self._end_to_end_seconds.observe(end_to_end_seconds, self._exemplar)

    def traced(self, trace_id: str | None) -> None:
        """Give what is measured from now on this trace as an example, or none."""
        self._exemplar = None if trace_id is None else {"trace_id": trace_id}

    def spans(self, outcome: str, count: int) -> None:
        """Count spans that are `exported`, `failed` or `dropped`; any thread calls it."""
        self._spans.labels(outcome).inc(count)

    def timed(self, clock: Clock, stage: str, call: Callable[P, R]) -> Callable[P, R]:
        """Return the stage, each call of which is timed."""
        observe = self._stage_seconds.labels(stage).observe

        def timing(*args: P.args, **named: P.kwargs) -> R:
            since = clock.monotonic()
            try:
                return call(*args, **named)
            finally:
                observe(clock.monotonic() - since, self._exemplar)

        return timing

    def stored(self, seconds: float) -> None:
        """Count a batch's store, and its time."""
        self._stage_seconds.labels("store").observe(seconds, self._exemplar)

    def redis_answered(self, seconds: float) -> None:
        """Count an exchange with Redis, and its time."""
        self._redis_seconds.observe(seconds)

    def disconnected(self) -> None:
        """Count a connection to a broker that was lost, or could not be made."""
        self._disconnects.inc()

    def assigned(self, partitions: Collection[int]) -> None:
        """Say which partitions are owned now; the series of those that are not, end."""
        self._assigned.set(len(partitions))
        owned = {str(partition) for partition in partitions}
        for gauge in self._of_partitions:
            for labels in list(gauge._metrics):  # noqa: SLF001  no public way to list them
                if labels[0] not in owned:
                    gauge.remove(*labels)

    def lag(self, lags: Mapping[int, Lag]) -> None:
        """Tell how far the owned partitions are behind."""
        for partition, lag in lags.items():
            self._lag_records.labels(str(partition)).set(lag.records)
            self._lag_seconds.labels(str(partition)).set(lag.seconds)

    def restore(self, partition: int, done: int, total: int) -> None:
        """Tell how far a partition's restore is, in records; done equals total at its end."""
        self._restore_done.labels(str(partition)).set(done)
        self._restore_expected.labels(str(partition)).set(total)

    def halted(self, partition: int, *, halted: bool) -> None:
        """Tell whether a limit on dead letters holds an owned partition's records back."""
        self._halted.labels(str(partition)).set(halted)

    def damaged(self, partition: int, *, damaged: bool) -> None:
        """Tell whether an owned partition stands before a batch whose checksum is wrong."""
        self._damaged.labels(str(partition)).set(damaged)

    def stalled(self, partition: int, *, stalled: bool) -> None:
        """Tell whether an owned partition has records that do not come."""
        self._stalled.labels(str(partition)).set(stalled)

    def open_transaction(self, topic: str, partition: int, seconds: float) -> None:
        """Tell for how long a transaction has held up what follows it; 0: none does."""
        self._open_transaction.labels(str(partition), topic).set(seconds)

    def limit_passed(self, limit: str) -> None:
        """Count a partition that passed a limit on dead letters, `ratio` or `consecutive`."""
        self._halts.labels(limit).inc()

    def cache(self, *, hits: int, misses: int, held_bytes: int, sessions: int) -> None:
        """Count lookups of the process's own cache since the last call, and tell its size."""
        self._hits.inc(hits)
        self._misses.inc(misses)
        self._cache_bytes.set(held_bytes)
        self._cache_sessions.set(sessions)

    def _throughput(self) -> None:
        records = self._counter("records", "Records by outcome.", "outcome")
        self._accepted, self._duplicates, self._refused, self._commanded = map(
            records.labels, ("accepted", "duplicate", "rejected", "command")
        )
        self._rejected = self._counter("rejected", "Rejected records by reason.", "reason")
        for reason in Reason:
            self._rejected.labels(reason.value)
        self._commands = self._counter(
            "commands", "Commands that were not rejected, by outcome.", "command", "outcome"
        )
        for command in ("expire", "erase"):
            for outcome in (ENDED, PASSED_OVER):
                self._commands.labels(command, outcome)
        self._expired = self._counter("expired", "Sessions that an expire ended.", "state")
        for state in get_args(State):
            self._expired.labels(state)
        self._batch_records = self._histogram("batch_records", "Records a batch.", _RECORDS)
        self._batch_seconds = self._histogram("batch_seconds", "Time a batch.", _SECONDS)
        self._commit_seconds = self._histogram(
            "commit_seconds", "Time of a batch's flush and commit.", _SECONDS
        )
        self._end_to_end_seconds = self._histogram(
            "end_to_end_seconds", "From a batch's first record's timestamp to its commit.", _SECONDS
        )
        self._stage_seconds = self._histogram(
            "stage_seconds", "Time of a stage, for a part of a batch.", _SECONDS, "stage"
        )
        self._last_commit = self._gauge(
            "last_commit_timestamp_seconds", "When a batch was last committed, since 1970."
        )

    def _partitions(self) -> None:
        self._assigned = self._gauge("assigned_partitions", "Partitions that are assigned.")
        self._lag_records = self._gauge("lag_records", "Records to the end.", *_BY_PARTITION)
        self._lag_seconds = self._gauge(
            "lag_seconds",
            "Age of what was processed last or is next, while behind.",
            *_BY_PARTITION,
        )
        self._restore_done = self._gauge(
            "restore_done_records", "Output offsets that the restore has passed.", *_BY_PARTITION
        )
        self._restore_expected = self._gauge(
            "restore_expected_records",
            "Output offsets that it has to pass.",
            *_BY_PARTITION,
        )
        self._halted = self._gauge(
            "halted", "1 where dead letters passed a limit, else 0.", *_BY_PARTITION
        )
        self._damaged = self._gauge(
            "damaged", "1 where a batch of the input fails its checksum, else 0.", *_BY_PARTITION
        )
        self._stalled = self._gauge(
            "stalled", "1 where records are there and none comes, else 0.", *_BY_PARTITION
        )
        self._open_transaction = self._gauge(
            "open_transaction_seconds",
            "How long a transaction has held up what follows it, else 0.",
            *_BY_PARTITION,
            "topic",
        )
        self._of_partitions = (
            self._damaged,
            self._halted,
            self._lag_records,
            self._lag_seconds,
            self._open_transaction,
            self._stalled,
            self._restore_done,
            self._restore_expected,
        )

    def _cache(self) -> None:
        self._hits = self._counter("cache_hits", "Sessions found in the process's cache.")
        self._misses = self._counter("cache_misses", "Sessions asked of Redis.")
        self._cache_bytes = self._gauge("cache_bytes", "Bytes in the process's cache.")
        self._cache_sessions = self._gauge("cache_sessions", "Sessions in the process's cache.")
        self._redis_seconds = self._histogram(
            "redis_seconds", "Time of an exchange with Redis.", _SECONDS
        )

    def _incidents(self) -> None:
        self.aborts = self._counter("aborts", "Transactions that were aborted.")
        self.fences = self._counter("fences", "Producers that were replaced.")
        self.store_failures = self._counter("store_failures", "Exchanges with Redis that failed.")
        self.rebuilds = self._counter("rebuilds", "Partitions rebuilt from the output topic.")
        self._disconnects = self._counter("disconnects", "Connections to brokers that were lost.")
        self.rebalances = self._counter("rebalances", "Changes of assignment.")
        self._halts = self._counter("halts", "Passed limits on dead letters.", "limit")
        self._spans = self._counter("spans", "Spans by what became of them.", "outcome")
        for outcome in ("exported", "failed", "dropped"):
            self._spans.labels(outcome)
        for limit in ("ratio", "consecutive"):
            self._halts.labels(limit)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            name, about, labels, namespace=PREFIX, registry=self.registry, buckets=buckets
        )
