"""How cost and memory grow with the number of sessions that are in Redis."""

import time
from collections.abc import Iterator
from random import Random

import redis

from bench.figures import Advance, Figures, Size, steady
from bench.folding import folded, put
from bench.lean import lean_updates
from bench.service import Place
from processor.demo.traffic import DemoUpdate

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)


def size(place: Place, size: Size, advance: Advance) -> Figures:
    """Grow one topic's sessions step by step; at each, fold updates of sessions picked at random.

    The steps are those of `SIZES` below the number wanted, and that number. New sessions are
    folded by the service as well, an update each. Picked at random, most sessions are not in the
    process but in Redis: that is what each event pays for.
    """
    steps = [each for each in SIZES if each < size.sessions] + [size.sessions]
    random = Random(size.seed)
    figures: Figures = {}
    before = 0
    for number, sessions in enumerate(steps):
        made = stamped(range(before, sessions), number)
        put(place, made, sessions - before, advance)
        picked = (random.randrange(sessions) for _ in range(size.updates))
        put(place, stamped(picked, 0x1000 + number), size.updates, advance)
        samples = folded(place, sessions - before + size.updates, advance)
        # A process counts from 0; what a first fifth of the picked ones costs is left out.
        found = steady(samples, sessions - before + size.updates / 5)
        for name in ("cpu_us_per_event", "events_per_second", "peak_rss_mb"):
            figures[f"{name}.{sessions}_sessions"] = found[name]
        figures[f"redis_mb.{sessions}_sessions"] = _redis_bytes(place) / 1e6
        before = sessions
    return figures


def stamped(sessions: Iterator[int] | range, series: int) -> Iterator[DemoUpdate]:
    """Yield an update of three items a session: one template with other ids, so that it is fast."""
    template = next(each for each in lean_updates(1_000_000, seed=1) if _items(each))
    own = (template.key or b"").partition(b":")[2]
    value = template.value or b""
    event_at = value.index(b"-4000-8000-") - len(b"00000000-0000")
    now = time.time_ns() // 1_000_000
    for count, session in enumerate(sessions):
        name = b"s-%08d" % session
        event = b"%08x-%04x" % (count, series)
        changed = value[:event_at] + event + value[event_at + len(event) :]
        yield DemoUpdate(b"1:" + name, changed.replace(own, name), (), now, None)


def _items(update: DemoUpdate) -> bool:
    """Whether it is the fifth of its session: a cart of three, and no profile."""
    return b"-0004-4000-8000-" in (update.value or b"")


def _redis_bytes(place: Place) -> int:
    client = redis.Redis.from_url(place.redis_url)
    try:
        return int(client.info("memory")["used_memory"])
    finally:
        client.close()
