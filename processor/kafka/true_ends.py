"""Where partitions end by the word of their leaders, and when records there are from.

A consumer's own marks are as old as its last fetch, and a fetch that is stuck brings none.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import Future, wait
from time import monotonic
from typing import Any, Final

from confluent_kafka import Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AdminClient,
    OffsetSpec,
)

from processor.errors import ProcessorError
from processor.kafka.clients import Cluster, scanner
from processor.kafka.faults import sorting
from processor.ports.log import Ends, LogUnavailable, Place

_ANSWER_S: Final = 3.0
_MOMENT_S: Final = 0.2
_RECORDS_S: Final = 2.0
LATEST: Final[OffsetSpec] = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_DOING: Final = "asking for the ends of partitions"

Offsets = dict[TopicPartition, "Future[Any]"]


class EndsQuestion:
    """One question for all partitions, stable and not: see `Coordination.ends`."""

    def __init__(self, admin: AdminClient, cluster: Cluster, places: Collection[Place]) -> None:
        self._named = {
            (cluster.topics[topic], partition): (topic, partition) for topic, partition in places
        }
        self._admin = admin  # it lives as long as its question
        self._stable = self._ask(IsolationLevel.READ_COMMITTED)
        self._all = self._ask(IsolationLevel.READ_UNCOMMITTED)

    def _ask(self, isolation: IsolationLevel) -> Offsets:
        latest = {TopicPartition(*place): LATEST for place in self._named}
        try:
            with sorting(_DOING):
                return dict(
                    self._admin.list_offsets(
                        latest, isolation_level=isolation, request_timeout=_ANSWER_S
                    ).items()
                )
        except (LogUnavailable, ProcessorError):
            return {}

    def answers(self) -> dict[Place, Ends] | None:
        """Return what was answered; None while a leader may still answer."""
        left = wait([*self._stable.values(), *self._all.values()], _MOMENT_S).not_done
        if left:
            return None
        stable, total = _known(self._stable), _known(self._all)
        return {
            place: Ends(stable[name], max(stable[name], total[name]))
            for name, place in self._named.items()
            if name in stable and name in total
        }

    def is_whole(self, answers: Mapping[Place, Ends]) -> bool:
        """Whether every leader answered."""
        return len(answers) == len(self._named)


def _known(asked: Offsets) -> dict[tuple[str, int], int]:
    """Return the offsets that leaders told; of one that keeps silent comes an offset below 0."""
    found = {}
    for place, answer in asked.items():
        try:
            with sorting(_DOING):
                offset: int = answer.result(0).offset
        except (LogUnavailable, ProcessorError):
            continue
        if offset >= 0:
            found[place.topic, place.partition] = offset
    return found


def record_times(cluster: Cluster, offsets: Mapping[Place, int]) -> dict[Place, int]:
    """Return the timestamps (ms) of the first records there are from these offsets on."""
    named = {(cluster.topics[topic], partition): (topic, partition) for topic, partition in offsets}
    found: dict[Place, int] = {}
    waiting = set(named)
    until = monotonic() + _RECORDS_S
    properties = {**scanner(cluster), "isolation.level": "read_uncommitted"}
    try:
        with sorting("looking at the first records"):
            consumer = Consumer(properties)
    except (LogUnavailable, ProcessorError):
        return found
    try:
        with sorting("looking at the first records"):
            consumer.assign(
                [TopicPartition(*name, offsets[place]) for name, place in named.items()]
            )
            while waiting and (left := until - monotonic()) > 0:
                for message in consumer.consume(1, left):
                    name = (message.topic() or "", message.partition() or 0)
                    if name not in waiting:
                        continue
                    waiting.discard(name)  # an error is an answer too: there is no record to read
                    if message.error() is None and message.timestamp()[1] >= 0:
                        found[named[name]] = message.timestamp()[1]
                    consumer.incremental_unassign([TopicPartition(*name)])
    except (LogUnavailable, ProcessorError):
        pass
    finally:
        consumer.close()
    return found
