"""What it takes to end many sessions by hand."""

import sys
import time
from contextlib import suppress
from typing import Final

import psutil  # type: ignore[import-untyped]  # it ships no types
import redis

from bench.figures import Advance, Figures, Size
from bench.folding import SAMPLE_S, folded, patience, put
from bench.generations import held
from bench.growth import stamped
from bench.program import Program
from bench.service import Place

_EXPIRE: Final = ("sessions", "expire", "--state", "open", "--older-than", "1s", "--json")


def expire(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold sessions, an update each; tell and then end them all with `sessions expire`."""
    count = size.sessions
    put(place, stamped(range(count), 0), count, advance)
    folded(place, count, advance)
    figures: Figures = {"sessions": count}
    for name, more in (("tell", ()), ("send", ("--yes",))):
        seconds, peak = _command(place, patience(count), *_EXPIRE, *more)
        figures[f"seconds_to_{name}"] = seconds
        figures[f"peak_rss_mb.{name}"] = peak / 1e6
    since = time.monotonic()
    samples = folded(place, count, advance)
    figures["seconds_to_end"] = time.monotonic() - since
    figures["peak_rss_mb.service"] = max(each.rss_bytes for each in samples) / 1e6
    with redis.Redis.from_url(place.redis_url) as client:
        left, _ = held(client, place, "sessions")
    if left:
        raise RuntimeError(f"{left:,} sessions of {count:,} have not ended")
    return figures


def _command(place: Place, limit: float, *arguments: str) -> tuple[float, int]:
    """Run a command to its end; return its seconds, and the most memory that it was seen with.

    Raises RuntimeError where it fails, or takes longer than `limit` seconds.
    """
    since = time.monotonic()
    log = place.directory / f"{place.name}-{len(arguments)}.log"
    words = [sys.executable, "-m", "processor", *arguments]
    with Program(arguments[1], words, place.environment, log) as running:
        while running.ended() is None:
            if time.monotonic() - since > limit:
                raise running.failed("is late")
            time.sleep(SAMPLE_S)
            with suppress(RuntimeError, psutil.Error):  # it has ended
                running.cpu_seconds()
        if running.ended():
            raise running.failed(f"ended with {running.ended()}")
        return time.monotonic() - since, running.peak_rss
