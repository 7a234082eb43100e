"""Takeover: an owner is killed under load, and another process goes on in its place."""

import time

from bench.figures import Advance, Figures, Size
from bench.lean import lean_updates
from bench.live import Pacer, Reader
from bench.service import Place, Service
from bench.traffic import Input

_RATE = 1_000
_PATIENCE_S = 90.0


def takeover(place: Place, size: Size, advance: Advance) -> Figures:
    """Kill one of two owners (SIGKILL, classic protocol); time to the first snapshot after it.

    What counts is a snapshot, by the process that is left, of an update that was due after the
    kill in a partition that the killed one owned.
    """
    place.create_topics()
    topic = place.settings.sessions_topic
    start = time.time_ns() // 1_000_000
    updates = lean_updates(_RATE * 300, seed=size.seed, start=start)
    advance("balancing", 0, 0)
    with (
        Service(place) as successor,
        Service(place) as victim,
        Reader(place.bootstrap, topic, place.partitions) as reader,
        Pacer(Input(place, **{"linger.ms": 0}), updates, _RATE),
    ):
        late = time.monotonic() + _PATIENCE_S
        while not (owned := _shared(victim, successor, place.partitions)):
            victim.check(late)
            successor.check(late)
            time.sleep(0.05)
        if reader.first_due_after(time.time(), _PATIENCE_S, lambda: None, owned) is None:
            raise TimeoutError("no snapshot came before the kill")
        advance("taking over", 0, 0)
        killed = time.time()
        victim.kill()
        at = reader.first_due_after(
            killed, _PATIENCE_S, lambda: successor.check(late + _PATIENCE_S), owned
        )
    return {
        "takeover_seconds": None if at is None else at - killed,
        "partitions_taken_over": len(owned),
    }


def _shared(victim: Service, successor: Service, partitions: int) -> frozenset[int]:
    """Return what the victim owns once both own something and together all; else nothing."""
    one, other = victim.owned(), successor.owned()
    whole = one and other and len(one) + len(other) == partitions
    return one if whole else frozenset()
