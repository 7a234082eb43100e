"""What is measured of each peer, the same way for all: from outside, by committed offsets."""

import time
from itertools import islice
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

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


class Progress:
    """How far a group has committed."""

    def __init__(self, place: Place) -> None:
        self._admin = AdminClient({"bootstrap.servers": place.bootstrap})
        topic = place.settings.updates_topic
        partitions = [TopicPartition(topic, each) for each in range(place.partitions)]
        self._asked = ConsumerGroupTopicPartitions(place.settings.group_id, partitions)

    def events(self) -> int:
        """Return how many events of the input are behind the group."""
        (answer,) = self._admin.list_consumer_group_offsets([self._asked]).values()
        try:
            found = answer.result().topic_partitions
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            return 0  # the coordinator loads what it has to tell
        return sum(max(0, each.offset) for each in found)


def start(peer: Peer, place: Place) -> Program:
    """Start the peer on topics that exist."""
    place.create_topics()
    log = Path(place.directory) / f"{place.name}.log"
    return Program(peer.command(place), peer.environment(place), log)


def cost(peer: Peer, place: Place, total: int, seconds: float) -> Figures:
    """Let it work through the input; count from its warm-up on, for so long or to the end."""
    progress = Progress(place)
    samples: list[Sample] = []
    with start(peer, place) as program:
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
    now = time.time_ns() // 1_000_000
    stream = lean_updates(heat + RATE * 600, seed=3, start=now)
    fill(place, islice(stream, heat), lambda _: None)
    topic = place.settings.sessions_topic
    with (
        Reader(place.bootstrap, topic, place.partitions) as reader,
        start(peer, place) as program,
    ):
        progress, deadline = Progress(place), time.monotonic() + _START_S
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
