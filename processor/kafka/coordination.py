"""Questions to the coordinator and the brokers: `Coordination` on confluent-kafka."""

from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AdminClient,
    OffsetSpec,
)

from processor.kafka.clients import Cluster, common, transactional
from processor.kafka.faults import Causes, error_of, is_passing, sort, sorting
from processor.ports.log import Committed, Extent, LogUnavailable, NotStable, Topic

_ANSWER_S: Final = 5.0
_STABLE_S: Final = 0.5
"""How long a coordinator that is known takes to answer at the most, unless offsets are pending."""
_FENCE_S: Final = 2.0
_OTHER_LEADER: Final = frozenset(
    {
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    }
)
_EARLIEST: Final[OffsetSpec] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Final[OffsetSpec] = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class KafkaCoordination:
    """Asks through one admin client."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._causes = Causes()
        self._admin = self._connected()
        with sorting("connecting"):
            group = {**common(cluster), "group.id": cluster.group, "enable.auto.commit": False}
            self._at_once = Consumer({**group, "isolation.level": "read_uncommitted"})
            self._when_stable = Consumer({**group, "isolation.level": "read_committed"})
        self._warm = False
        self._fences: dict[str, Producer] = {}

    def committed(self, partition: int, *, stable: bool) -> Committed | None:
        """Return the group's offset for an input partition, with its text.

        Asked by consumers that never join: the admin client's question ends the process while the
        coordinator loads (seen with 2.16.1). A read_uncommitted one is told at once what is
        committed; a read_committed one is kept waiting while offsets are pending.
        """
        found = self._ask(self._at_once, partition, _ANSWER_S)
        if stable:
            patience = _STABLE_S if self._warm else _ANSWER_S
            try:
                found = self._ask(self._when_stable, partition, patience)
            except LogUnavailable as late:
                raise NotStable(str(late)) from late
            self._warm = True
        return found

    def _ask(self, asker: Consumer, partition: int, patience: float) -> Committed | None:
        place = TopicPartition(self._cluster.topics[Topic.UPDATES], partition)
        doing = f"asking for the committed offset of partition {partition}"
        needs = (self._cluster.on_group("READ"), self._cluster.on_topic(Topic.UPDATES, "READ"))
        with sorting(doing, *needs):
            (answer,) = asker.committed([place], timeout=patience)
        if answer.error is not None:
            raise sort(answer.error, doing, needs)
        return None if answer.offset < 0 else Committed(answer.offset, answer.metadata or "")

    def fence(self, identity: str) -> bool:
        """Start a producer under the id: whatever its former holder has open ends."""
        producer = self._fences.pop(identity, None)
        try:
            with sorting(f"fencing {identity}", self._cluster.on_ids()):
                if producer is None:  # one is false by itself: its queue is empty
                    producer = Producer(transactional(self._cluster, identity))
                producer.init_transactions(_FENCE_S)
        except LogUnavailable as fault:
            error = error_of(fault)
            if producer is None or error is None or not is_passing(error):
                raise
            self._fences[identity] = producer  # it goes on with what it has begun
            return False
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
        return len(self._topics([topic])[topic].partitions)

    def cluster_id(self) -> str:
        """Return the cluster's id."""
        doing = "asking for the cluster's id"
        with sorting(doing):
            asked = self._admin.describe_cluster(request_timeout=_ANSWER_S)
            return str(asked.result(_ANSWER_S + 1).cluster_id)

    def _topics(self, wanted: Iterable[Topic] = Topic) -> dict[Topic, Any]:
        doing = "asking for the topics"
        names = {topic: self._cluster.topics[topic] for topic in wanted}
        with self._causes.explaining(self._admin.poll), sorting(doing):
            asked = self._admin.describe_topics(
                TopicCollection(list(names.values())), request_timeout=_ANSWER_S
            )
            found = {}
            for topic, name in names.items():
                with sorting(f"{doing}: {name}", self._cluster.on_topic(topic, "DESCRIBE")):
                    found[topic] = asked[name].result(_ANSWER_S + 1)
            return found

    def _offset(self, place: TopicPartition, spec: OffsetSpec, isolation: IsolationLevel) -> int:
        doing = f"asking for offsets of {place.topic} partition {place.partition}"
        needed = self._cluster.permission("DESCRIBE", "topic", place.topic)
        try:
            with sorting(doing, needed):
                asked = self._admin.list_offsets(
                    {place: spec}, isolation_level=isolation, request_timeout=_ANSWER_S
                )
                offset: int = asked[place].result(_ANSWER_S + 1).offset
        except LogUnavailable as fault:
            # The admin client asks under the leader's epoch that it once learned, for ever (seen
            # with 2.16.1, after a broker's restart): only another one learns the new one.
            error = error_of(fault)
            if error is not None and error.code() in _OTHER_LEADER:
                self._admin = self._connected()
            raise
        return offset

    def _connected(self) -> AdminClient:
        with sorting("connecting"):
            properties = {**common(self._cluster), "error_cb": self._causes.note}
            return AdminClient(properties)  # type: ignore[arg-type]  # callbacks too
