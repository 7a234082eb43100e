"""Latency: updates at a steady pace, and each snapshot timed to a read_committed reader."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice, product
from statistics import median

from bench.figures import WARM_UP, Advance, Figures, Size, percentiles
from bench.lean import lean_updates
from bench.live import Pacer, Reader, uncollected
from bench.service import Place, Service
from bench.traffic import Input
from processor.demo.traffic import DemoUpdate

_GRACE_S = 30.0
_STRETCHES = 3
_WARM_UP_RATE = 2_000
_WARM_UPS = 4
"""In times of one rate: before that the broker's JVM has not compiled what a transaction takes, and
latency would be that of its compiler."""
_LINGERS_MS = {"": 0, "_lingering": 5}
"""How long the load's producer waits for more to send: not at all, so that nearly each update is a
request to the broker, and the default of librdkafka and, since 4.0, of Java's client."""


def latency(place: Place, size: Size, advance: Advance) -> Figures:
    """Measure each load at each rate in turn, on one process and one broker that are warm.

    A rate is kept up in stretches, of which each figure is the median: a broker that pauses in one
    of them for some other process's sake is not what is measured. The first fifth of each stretch
    is left out.
    """
    place.create_topics()
    figures: Figures = {}
    now = time.time_ns() // 1_000_000
    warm_up = _WARM_UP_RATE * _WARM_UPS * size.seconds
    paced = len(_LINGERS_MS) * sum(size.rates) * size.seconds * _STRETCHES
    stream = lean_updates(warm_up + paced, seed=size.seed, start=now)
    with Service(place) as service:
        service.await_ready()
        advance("warming up", 0, 0)
        _pace(place, islice(stream, warm_up), _WARM_UP_RATE, _WARM_UPS * size.seconds, 0)
        for rate, (suffix, linger_ms) in product(size.rates, _LINGERS_MS.items()):
            stretches = []
            for _ in range(_STRETCHES):
                updates = list(islice(stream, rate * size.seconds))
                stretches.append(_stretch(place, updates, rate, size.seconds, linger_ms))
                advance("pacing", len(updates), _STRETCHES * len(updates))
            for name in stretches[0]:
                known = [value for each in stretches if (value := each[name]) is not None]
                figures[f"{name}.at_{rate}_a_second{suffix}"] = median(known) if known else None
            service.check(time.monotonic() + 1)
    return figures


def _stretch(
    place: Place, updates: Sequence[DemoUpdate], rate: int, seconds: int, linger_ms: int
) -> Figures:
    """Return what one stretch gives."""
    topic = place.settings.sessions_topic
    with uncollected(), Reader(place.bootstrap, topic, place.partitions) as reader:
        _pace(place, iter(updates), rate, seconds, linger_ms)
        reader.await_arrivals(len(updates), _GRACE_S)
        arrivals = reader.arrivals[int(len(updates) * WARM_UP) :]
    return percentiles([each.at - each.due for each in arrivals])


def _pace(
    place: Place, updates: Iterator[DemoUpdate], rate: int, seconds: int, linger_ms: int
) -> None:
    with Pacer(Input(place, **{"linger.ms": linger_ms}), updates, rate) as pacer:
        pacer.await_sent(rate * seconds, seconds + _GRACE_S)
