"""What is measured of each peer, the same way for all: from outside, by committed offsets."""

import time
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from bench.figures import Figures, steady
from bench.peers.roster import Peer
from bench.program import Program
from bench.service import Place, Sample

_SAMPLE_S = 0.25
_START_S = 120.0
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


def launch(peer: Peer, place: Place) -> Program:
    """Start the peer on topics that exist."""
    log = place.directory / f"{place.name}.log"
    return Program(peer.title, peer.command(place), peer.environment(place), log)


def cost(peer: Peer, place: Place, total: int, seconds: float) -> Figures:
    """Let it work through the input; count from its warm-up on, for so long or to the end."""
    place.create_topics()
    warm_up = min(peer.warm_up, total // 2)
    samples: list[Sample] = []
    with launch(peer, place) as program, Progress(place) as progress:
        deadline = time.monotonic() + _START_S
        counted_from = None
        while True:
            events, cpu, now = progress.events(), program.cpu_seconds(), time.monotonic()
            samples.append(Sample(now, events, cpu, program.peak_rss))
            if counted_from is None and events >= warm_up:
                counted_from = now
            if events >= total or (counted_from and now - counted_from > seconds):
                return steady(samples, warm_up)
            if counted_from is None and now > deadline:
                raise TimeoutError(f"{peer.title} did not get through its warm-up")
            time.sleep(_SAMPLE_S)
