"""Figures: numbers under names with their units, and how they come from what was sampled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.service import Sample

WARM_UP = 0.2
"""The share of a run that is not counted: what starts, fills caches and settles."""

Figures = dict[str, float | None]
Advance = Callable[[str, int, int], None]
"""Takes what is going on, how much was done now, and of how much (0: it is not known)."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    updates: int
    rates: tuple[int, ...]
    seconds: int
    seed: int
    sessions: int


def steady(samples: Sequence[Sample], begin: float) -> Figures:
    """Return rates between the first sample past `begin` records and the last that still moved."""
    moving = [
        later
        for earlier, later in pairwise(samples)
        if later.records > earlier.records and later.records >= begin
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


def percentiles(seconds: Sequence[float], suffix: str = "") -> Figures:
    """Return latencies in milliseconds; none were measured where there are no seconds."""
    ordered = sorted(seconds)

    def at(share: float) -> float | None:
        if not ordered:
            return None
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3

    return {
        f"latency_p50_ms{suffix}": at(0.5),
        f"latency_p95_ms{suffix}": at(0.95),
        f"latency_p99_ms{suffix}": at(0.99),
        f"latency_max_ms{suffix}": at(1.0),
        f"latency_events{suffix}": len(ordered),
    }
