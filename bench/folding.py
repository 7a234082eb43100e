"""A topic that was filled before, folded to its end by the service: most figures rest on it."""

import time
from collections.abc import Iterable

from bench.figures import Advance, Size
from bench.lean import lean_updates
from bench.service import Place, Sample, Service
from bench.traffic import fill
from processor.demo.traffic import DemoUpdate

SAMPLE_S = 0.2
PATIENCE_S = 900.0
_SLOWEST = 1_000
"""Records a second, below which a process of many is taken to stand still."""


def patience(records: int) -> float:
    """Return the seconds after which so many should have been dealt with."""
    return max(PATIENCE_S, records / _SLOWEST)


def filled(place: Place, size: Size, advance: Advance) -> None:
    """Make the place's topics and put the lean stream into them."""
    now = time.time_ns() // 1_000_000
    put(place, lean_updates(size.updates, seed=size.seed, start=now), size.updates, advance)


def put(place: Place, updates: Iterable[DemoUpdate], count: int, advance: Advance) -> None:
    """Make the place's topics and put these updates into them."""
    place.create_topics()
    fill(place, updates, lambda n: advance("filling", n, count))


def folded(place: Place, count: int, advance: Advance) -> list[Sample]:
    """Fold up to the end, and return what was sampled meanwhile.

    Sampling costs the process about a millisecond of its own five times a second.
    """
    samples: list[Sample] = []
    place.create_topics()
    with Service(place, "--until-end") as running:
        deadline = time.monotonic() + patience(count)
        while running.running():
            running.check(deadline)
            sample = running.sample()
            if sample is not None:
                before = samples[-1].records if samples else 0
                samples.append(sample)
                advance("folding", int(sample.records - before), count)
            time.sleep(SAMPLE_S)
        running.check(deadline)
    return samples
