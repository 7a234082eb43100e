"""What is measured of each peer, the same way for all: from outside, by committed offsets."""

import time
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from bench.figures import Figures, percentiles, steady
from bench.live import Pacer, Reader
from bench.peers.program import Program
from bench.peers.roster import Peer
from bench.service import Place, Sample
from bench.traffic import Input, fill
from processor.demo.lean import lean_updates

RATE = 2_000
_SAMPLE_S = 0.25
_START_S = 120.0
_SETTLE_S = 3.0
_BACK_S = 90.0
_HEATED = 100_000
"""The most events that a paced run is preceded by: a JVM that is cold would be measured cold."""
_MOVING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError._TIMED_OUT,  # noqa: SLF001  the library's own name for it
)
"""What a broker says of a group whose coordinator it is just making."""


class Progress:
    """How far a group has committed."""

    def __init__(self, place: Place) -> None:
        self._reader = Consumer(
            {
                "bootstrap.servers": place.bootstrap,
                "group.id": place.settings.group_id,
                "isolation.level": "read_uncommitted",  # what is pending is not waited for
            }
        )
        self._known = 0
        topic = place.settings.updates_topic
        self._partitions = [TopicPartition(topic, each) for each in range(place.partitions)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._reader.close()

    def events(self) -> int:
        """Return how many events of the input are behind the group, as far as is known."""
        try:
            found = self._reader.committed(self._partitions, timeout=30)
        except KafkaException as error:
            if error.args[0].code() not in _MOVING:
                raise
        else:
            self._known = sum(max(0, each.offset) for each in found)
        return self._known


def start(peer: Peer, place: Place) -> Program:
    """Start the peer on topics that exist."""
    place.create_topics()
    log = Path(place.directory) / f"{place.name}.log"
    return Program(peer.command(place), peer.environment(place), log)


def cost(peer: Peer, place: Place, total: int, seconds: float) -> Figures:
    """Let it work through the input; count from its warm-up on, for so long or to the end."""
    samples: list[Sample] = []
    with start(peer, place) as program, Progress(place) as progress:
        deadline = time.monotonic() + _START_S
        counted_from = None
        while True:
            events, cpu, now = progress.events(), program.cpu_seconds(), time.monotonic()
            samples.append(Sample(now, events, cpu, program.peak_rss))
            if counted_from is None and events >= peer.warm_up:
                counted_from = now
            if events >= total or (counted_from and now - counted_from > seconds):
                return steady(samples, peer.warm_up)
            if counted_from is None and now > deadline:
                raise TimeoutError(f"{peer.title} did not get through its warm-up")
            time.sleep(_SAMPLE_S)


def live(peer: Peer, place: Place, seconds: int) -> Figures:
    """Pace updates and time their snapshots; then kill it, start it again, and time the first."""
    place.create_topics()
    heat = min(peer.warm_up, _HEATED)
    # What heats is dated before now: only what is paced can be due after.
    before = time.time_ns() // 1_000_000 - heat
    stream = lean_updates(heat + RATE * 600, seed=3, start=before)
    fill(place, islice(stream, heat), lambda _: None)
    topic = place.settings.sessions_topic
    with (
        Reader(place.bootstrap, topic, place.partitions) as reader,
        start(peer, place) as program,
        Progress(place) as progress,
    ):
        deadline = time.monotonic() + _START_S
        while progress.events() < heat:
            program.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{peer.title} did not get through its warm-up")
            time.sleep(_SAMPLE_S)
        with Pacer(Input(place, **{"linger.ms": 0}), stream, RATE):
            begun = time.time() + _SETTLE_S
            time.sleep(_SETTLE_S + seconds)
            program.kill()
            killed = time.time()
            found = [each.at - each.due for each in reader.arrivals if begun <= each.due <= killed]
            with start(peer, place) as again:
                at = reader.first_due_after(killed, _BACK_S, again.check)
    measured = percentiles(found)
    return {
        "latency_p50_ms": measured["latency_p50_ms"],
        "latency_p99_ms": measured["latency_p99_ms"],
        "back_seconds": None if at is None else at - killed,
    }
