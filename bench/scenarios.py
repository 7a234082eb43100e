"""What is measured: each scenario returns its figures, as numbers under names with their units."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Event, Thread

import redis

from bench.service import Place, Sample, Service, moment
from bench.traffic import Stopwatch, arrivals, fill, pace
from processor.demo.lean import lean_updates

_SAMPLE_S = 0.2
_PATIENCE_S = 900.0
_WARM_UP = 0.2
"""The share of a run that is not counted: what starts, fills caches and settles."""

Figures = dict[str, float | None]
Advance = Callable[[str, int, int], None]
"""Takes what is going on, how much was done now, and of how much (0: it is not known)."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    updates: int
    rate: int
    seconds: int
    seed: int


def throughput(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold a topic that was filled before, up to its end.

    The steady figures leave the first fifth out; the sampling costs the process about a
    millisecond of its own five times a second.
    """
    _fill(place, size, advance)
    samples = []
    with Service(place, "--until-end") as service:
        deadline = time.monotonic() + _PATIENCE_S
        seen = 0
        while service.running():
            service.check(deadline)
            sample = service.sample()
            if sample is not None:
                samples.append(sample)
                advance("folding", int(sample.records) - seen, size.updates)
                seen = int(sample.records)
            time.sleep(_SAMPLE_S)
        service.check(deadline)
    return _steady(samples, size.updates)


def _steady(samples: Sequence[Sample], updates: int) -> Figures:
    """Return rates between the first sample past the warm-up and the last that still moved."""
    moving = [
        later
        for earlier, later in pairwise(samples)
        if later.records > earlier.records and later.records >= updates * _WARM_UP
    ]
    figures: Figures = {"events_per_second": None, "cpu_us_per_event": None, "steady_events": None}
    if len(moving) > 1:
        first, last = moving[0], moving[-1]
        events = last.records - first.records
        figures = {
            "events_per_second": events / (last.at - first.at),
            "cpu_us_per_event": (last.cpu_seconds - first.cpu_seconds) / events * 1e6,
            "steady_events": events,
        }
    peak = max((sample.rss_bytes for sample in samples), default=0)
    return {**figures, "peak_rss_mb": peak / 1e6 if peak else None}


def latency(place: Place, size: Size, advance: Advance) -> Figures:
    """Send at a steady pace, and time each snapshot to a read_committed reader."""
    place.create_topics()
    count = size.rate * size.seconds
    now = time.time_ns() // 1_000_000
    updates = list(lean_updates(count, seed=size.seed, start=now))
    stopwatch, stop = Stopwatch(), Event()
    reader = Thread(target=arrivals, args=(place, stopwatch, count, stop))
    with Service(place) as service:
        service.await_ready()
        reader.start()
        try:
            pace(place, updates, size.rate, stopwatch, lambda n: advance("pacing", n, count))
            reader.join(30)
        finally:
            stop.set()
            reader.join()
    if len(stopwatch.seconds) < count:
        raise RuntimeError(f"of {count} snapshots only {len(stopwatch.seconds)} arrived")
    return _percentiles(stopwatch.seconds[int(count * _WARM_UP) :])


def _percentiles(seconds: Sequence[float]) -> Figures:
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3

    return {
        "latency_p50_ms": at(0.5),
        "latency_p95_ms": at(0.95),
        "latency_p99_ms": at(0.99),
        "latency_max_ms": ordered[-1] * 1e3,
        "latency_events": len(ordered),
    }


def restore(place: Place, size: Size, advance: Advance) -> Figures:
    """Lose Redis, start again, and time from the first partition's rebuild to the last one's end.

    The output topic holds a snapshot for each update, not yet compacted.
    """
    _fill(place, size, advance)
    with Service(place, "--until-end") as service:
        deadline = time.monotonic() + _PATIENCE_S
        while service.running():
            service.check(deadline)
            time.sleep(_SAMPLE_S)
        service.check(deadline)
    client = redis.Redis.from_url(place.redis_url)
    client.flushall()
    client.close()
    advance("restoring", 0, 0)
    with Service(place) as service:
        deadline = time.monotonic() + _PATIENCE_S
        while len(service.events("partition ready")) < place.partitions:
            service.check(deadline)
            time.sleep(_SAMPLE_S)
        begun = min(moment(each) for each in service.events("rebuilding the cache"))
        ended = max(moment(each) for each in service.events("partition ready"))
    return {
        "restore_records_per_second": size.updates / (ended - begun),
        "restore_seconds": ended - begun,
        "restore_records": size.updates,
    }


def _fill(place: Place, size: Size, advance: Advance) -> None:
    place.create_topics()
    now = time.time_ns() // 1_000_000
    updates = lean_updates(size.updates, seed=size.seed, start=now)
    fill(place, updates, lambda n: advance("filling", n, size.updates))


SCENARIOS: Mapping[str, Callable[[Place, Size, Advance], Figures]] = {
    "throughput": throughput,
    "latency": latency,
    "restore": restore,
}
