"""Questions to the coordinator and the brokers: `Coordination` on confluent-kafka."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AdminClient,
    OffsetSpec,
)

from processor.kafka.clients import Cluster, common, transactional
from processor.kafka.faults import is_passing, sort, sorting
from processor.ports.log import Committed, Extent, LogUnavailable, NotStable, Topic

_ANSWER_S: Final = 5.0
_FENCE_S: Final = 2.0
_EARLIEST: Final[OffsetSpec] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Final[OffsetSpec] = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class KafkaCoordination:
    """Asks through one admin client."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        with sorting("connecting"):
            self._admin = AdminClient(common(cluster))  # type: ignore[arg-type]  # callbacks too
        self._fences: dict[str, Producer] = {}

    def committed(self, partition: int, *, stable: bool) -> Committed | None:
        """Return the group's offset for an input partition, with its text."""
        place = TopicPartition(self._cluster.topics[Topic.UPDATES], partition)
        doing = f"asking for the committed offset of partition {partition}"
        with sorting(doing):
            asked = self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(self._cluster.group, [place])],
                require_stable=stable,
                request_timeout=_ANSWER_S,
            )
        answer: TopicPartition = _answer(asked, doing).topic_partitions[0]
        if answer.error is not None:
            if answer.error.code() == KafkaError.UNSTABLE_OFFSET_COMMIT:
                raise NotStable(doing)
            raise sort(answer.error, doing)
        if answer.offset < 0:
            return None
        return Committed(answer.offset, answer.metadata or "")

    def fence(self, identity: str) -> bool:
        """Start a producer under the id: whatever its former holder has open ends."""
        producer = self._fences.get(identity)
        if producer is None:
            producer = Producer(transactional(self._cluster, identity))
            self._fences[identity] = producer
        try:
            producer.init_transactions(_FENCE_S)
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if is_passing(error):
                return False
            del self._fences[identity]
            raise sort(error, f"fencing {identity}") from exception
        del self._fences[identity]
        return True

    def extent(self, topic: Topic, partition: int) -> Extent:
        """Return the offsets of a partition: start, last stable, end."""
        place = TopicPartition(self._cluster.topics[topic], partition)
        start = self._offset(place, _EARLIEST, IsolationLevel.READ_UNCOMMITTED)
        stable = self._offset(place, _LATEST, IsolationLevel.READ_COMMITTED)
        end = self._offset(place, _LATEST, IsolationLevel.READ_UNCOMMITTED)
        return Extent(start, stable, end)

    def offset_at(self, partition: int, timestamp: int) -> int:
        """Return the first offset at or after the time, the end where no record is so late."""
        place = TopicPartition(self._cluster.topics[Topic.UPDATES], partition)
        found = self._offset(
            place, OffsetSpec.for_timestamp(timestamp), IsolationLevel.READ_UNCOMMITTED
        )
        return found if found >= 0 else self.extent(Topic.UPDATES, partition).stable_end

    def topic_ids(self) -> dict[Topic, str]:
        """Return each topic's id, in its usual text form."""
        return {topic: str(each.topic_id) for topic, each in self._topics().items()}

    def partitions(self, topic: Topic) -> int:
        """Return how many partitions a topic has."""
        return len(self._topics()[topic].partitions)

    def cluster_id(self) -> str:
        """Return the cluster's id."""
        doing = "asking for the cluster's id"
        with sorting(doing):
            description = self._admin.describe_cluster(request_timeout=_ANSWER_S)
        return str(_result(description, doing).cluster_id)

    def _topics(self) -> dict[Topic, Any]:
        doing = "asking for the topics"
        names = self._cluster.topics
        with sorting(doing):
            asked = self._admin.describe_topics(
                TopicCollection(list(names.values())), request_timeout=_ANSWER_S
            )
        return {topic: _result(asked[name], f"{doing}: {name}") for topic, name in names.items()}

    def _offset(self, place: TopicPartition, spec: OffsetSpec, isolation: IsolationLevel) -> int:
        doing = f"asking for offsets of {place.topic} partition {place.partition}"
        with sorting(doing):
            asked = self._admin.list_offsets(
                {place: spec}, isolation_level=isolation, request_timeout=_ANSWER_S
            )
        offset: int = _answer(asked, doing).offset
        return offset


def _answer(asked: Mapping[Any, Future[Any]], doing: str) -> Any:
    """Return the one answer of a request about one thing."""
    (future,) = asked.values()
    return _result(future, doing)


def _result(future: Future[Any], doing: str) -> Any:
    try:
        with sorting(doing):
            return future.result(_ANSWER_S + 1)
    except TimeoutError:
        raise LogUnavailable(f"{doing}: no answer") from None
