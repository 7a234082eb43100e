"""Latency: updates at a steady pace, and each snapshot timed to a read_committed reader."""

import time
from collections.abc import Iterator
from itertools import islice

from bench.figures import WARM_UP, Advance, Figures, Size, percentiles
from bench.live import Pacer, Reader
from bench.service import Place, Service
from bench.traffic import Input
from processor.demo.lean import lean_updates
from processor.demo.stream import Update

_GRACE_S = 30.0
_WARM_UP_RATE = 2_000
_WARM_UPS = 4
"""In times of one rate: before that the broker's JVM has not compiled what a transaction takes, and
latency would be that of its compiler."""


def latency(place: Place, size: Size, advance: Advance) -> Figures:
    """Measure at each rate in turn, on one process and one broker that are warm.

    The first fifth of each rate is left out.
    """
    place.create_topics()
    figures: Figures = {}
    topic = place.settings.sessions_topic
    now = time.time_ns() // 1_000_000
    warm_up = _WARM_UP_RATE * _WARM_UPS * size.seconds
    stream = lean_updates(warm_up + sum(size.rates) * size.seconds, seed=size.seed, start=now)
    with Service(place) as service:
        service.await_ready()
        advance("warming up", 0, 0)
        _pace(place, islice(stream, warm_up), _WARM_UP_RATE, _WARM_UPS * size.seconds)
        for rate in size.rates:
            count = rate * size.seconds
            updates = list(islice(stream, count))
            with Reader(place.bootstrap, topic, place.partitions) as reader:
                _pace(place, iter(updates), rate, size.seconds)
                reader.await_arrivals(count, _GRACE_S)
                arrivals = reader.arrivals[int(count * WARM_UP) :]
            advance("pacing", count, count)
            seconds = [each.at - each.due for each in arrivals]
            figures |= percentiles(seconds, f".at_{rate}_a_second")
            service.check(time.monotonic() + 1)
    return figures


def _pace(place: Place, updates: Iterator[Update], rate: int, seconds: int) -> None:
    with Pacer(Input(place, **{"linger.ms": 0}), updates, rate) as pacer:
        pacer.await_sent(rate * seconds, seconds + _GRACE_S)
