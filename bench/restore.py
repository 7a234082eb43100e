"""Starts: with Redis lost, and with Redis as it was left."""

import time
from itertools import islice
from statistics import median

import redis

from bench.figures import Advance, Figures, Size
from bench.folding import PATIENCE_S, SAMPLE_S, filled, folded, put
from bench.lean import lean_updates
from bench.live import Pacer, Reader
from bench.service import Place, Service, moment
from bench.traffic import Input

_RATE = 200
_STARTS = 3


def restore(place: Place, size: Size, advance: Advance) -> Figures:
    """Lose Redis, start again, and time from the first partition's rebuild to the last one's end.

    The output topic holds a snapshot for each update, not yet compacted. The median of three.
    """
    filled(place, size, advance)
    folded(place, size.updates, advance)
    advance("restoring", 0, 0)
    seconds = median(_restored(place) for _ in range(_STARTS))
    return {
        "restore_records_per_second": size.updates / seconds,
        "restore_seconds": seconds,
        "restore_records": size.updates,
    }


def _restored(place: Place) -> float:
    """Lose Redis, and return how many seconds a start takes to make all of it anew."""
    client = redis.Redis.from_url(place.redis_url)
    client.flushall()
    client.close()
    with Service(place) as service:
        deadline = time.monotonic() + PATIENCE_S
        while len(service.events("partition ready")) < place.partitions:
            service.check(deadline)
            time.sleep(SAMPLE_S)
        begun = min(moment(each) for each in service.events("rebuilding the cache"))
        ended = max(moment(each) for each in service.events("partition ready"))
    return ended - begun


def cold_start(place: Place, size: Size, advance: Advance) -> Figures:
    """Start with a warm Redis while updates come; time from the start to the first snapshot.

    The processes before it ended in good order: nothing of theirs is waited for.
    """
    stream = lean_updates(size.updates + _RATE * 60 * _STARTS, seed=size.seed)
    put(place, islice(stream, size.updates), size.updates, advance)
    folded(place, size.updates, advance)
    topic = place.settings.sessions_topic
    seconds = []
    for _ in range(_STARTS):
        advance("starting", 0, 0)
        with (
            Reader(place.bootstrap, topic, place.partitions) as reader,
            Pacer(Input(place, **{"linger.ms": 0}), stream, _RATE),
        ):
            started = time.time()
            with Service(place) as service:
                late = time.monotonic() + PATIENCE_S
                at = reader.first_due_after(started, 60, lambda: service.check(late))  # noqa: B023
                if at is None:
                    raise TimeoutError("no snapshot came within a minute of a start")
                seconds.append(at - started)
    return {"cold_start_seconds": sorted(seconds)[len(seconds) // 2], "cold_starts": len(seconds)}
