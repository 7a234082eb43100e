"""A peer under a steady load, killed and started again: latency, time until back, exactness."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import NamedTuple

from bench.figures import Figures, percentiles
from bench.lean import lean_updates
from bench.live import Pacer, Reader, uncollected
from bench.peers.exactness import tally
from bench.peers.measure import Progress, launch
from bench.peers.output import snapshots
from bench.peers.roster import Peer
from bench.program import Program
from bench.service import Place
from bench.traffic import Input, fill
from bench.waiting import wait
from processor.demo.traffic import DemoUpdate

RATE = 2_000
_QUIET_RATE = 100
"""After the kill: what counts is when it is back, not how much has piled up meanwhile."""
SETTLE_S = 3.0
_KEEP_UP_S = 20.0
_WARM_UP_S = 120.0
_BACK_S = 90.0
_END_S = 60.0
_HEATED = 100_000
"""The most events that a paced run is preceded by: a JVM that is cold would be measured cold."""
_SENT_AT_MOST = RATE * 600


class _Load(NamedTuple):
    reader: Reader
    progress: Progress
    pacer: Pacer
    before: int
    """What was in the topic before anything was paced."""


def live(peer: Peer, place: Place, seconds: float, settle: float = SETTLE_S) -> Figures:
    """Pace updates and time their snapshots; kill it (SIGKILL) under this load; start it again.

    It is the only instance: the new process waits until the group has given the old one up. The
    output is then compared with all that was sent.
    """
    place.create_topics()
    heat = min(peer.warm_up, _HEATED)
    keys: list[bytes] = []
    # What heats is dated before now: only what is paced can be due after.
    before = time.time_ns() // 1_000_000 - heat
    stream = _noted(lean_updates(heat + _SENT_AT_MOST, seed=3, start=before), keys)
    fill(place, islice(stream, heat), lambda _: None)
    with ExitStack() as held:
        held.enter_context(uncollected())
        reader = held.enter_context(
            Reader(place.bootstrap, place.settings.sessions_topic, place.partitions)
        )
        progress = held.enter_context(Progress(place))
        program = held.enter_context(launch(peer, place))
        if not wait(lambda: progress.events() >= heat, _WARM_UP_S, program.check):
            raise TimeoutError(f"{peer.title} did not get through its warm-up")
        with Pacer(Input(place, **{"linger.ms": 0}), stream, RATE) as pacer:
            load = _Load(reader, progress, pacer, heat)
            figures = _latency(load, program, seconds, settle)
            if not peer.folds:
                return figures
            program.kill()
            killed = time.time()
            pacer.rate = _QUIET_RATE
            again = held.enter_context(launch(peer, place))
            at = reader.first_due_after(killed, _BACK_S, again.check)
        figures["back_seconds"] = None if at is None else at - killed
        sent = heat + pacer.sent
        ended = at is not None and wait(lambda: progress.events() >= sent, _END_S, again.check)
        return figures | _exactness(place, keys[:sent], ended=ended)


def _noted(updates: Iterable[DemoUpdate], keys: list[bytes]) -> Iterator[DemoUpdate]:
    for update in updates:
        keys.append(update.key or b"")
        yield update


def _latency(load: _Load, program: Program, seconds: float, settle: float) -> Figures:
    """Return what the pace gives; nothing is measured of a peer that cannot keep up with it."""
    time.sleep(settle)
    begun = time.time()
    time.sleep(seconds)
    ended, sent = time.time(), load.before + load.pacer.sent
    through: Callable[[], bool] = lambda: load.progress.events() >= sent  # noqa: E731
    found: list[float] = []
    if wait(through, _KEEP_UP_S, program.check):
        load.reader.first_due_after(time.time(), _KEEP_UP_S, program.check)  # it has read so far
        found = [each.at - each.due for each in load.reader.arrivals if begun <= each.due < ended]
    measured = percentiles(found)
    return {name: measured[name] for name in ("latency_p50_ms", "latency_p99_ms")}


def _exactness(place: Place, keys: list[bytes], *, ended: bool) -> Figures:
    """Return how many snapshots are missing and too many, nothing where it did not get so far."""
    try:
        found = tally(keys, snapshots(place)) if ended else None
    except TimeoutError:
        found = None
    return {
        "missing_after_kill": None if found is None else found.missing,
        "surplus_after_kill": None if found is None else found.surplus,
    }
