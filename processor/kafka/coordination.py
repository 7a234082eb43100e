"""Questions to the coordinator and the brokers: `Coordination` on confluent-kafka."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from typing import Any, Final

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    IsolationLevel,
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
from processor.kafka.permissions import Permission
from processor.kafka.topic_states import settings_of
from processor.kafka.true_ends import LATEST, EndsQuestion, record_times
from processor.kafka.unstable import UnstableOffsets
from processor.ports.clock import SYSTEM_CLOCK, Clock
from processor.ports.log import (
    Committed,
    Ends,
    EndsAnswer,
    Extent,
    LogUnavailable,
    NotStable,
    Place,
    Topic,
)

_ANSWER_S: Final = 5.0
_STABLE_S: Final = (0.5, 1.0, 3.5)
"""How long each try to learn a stable offset lasts: late is not pending, a longer one follows."""
_SILENT_S: Final = 2.5
"""An answer that took longer may be of a coordinator that stood still."""
_DOUBT_S: Final = 3.0
"""For how long such a one may not know yet that another took its place, and answers as before."""
_FENCE_S: Final = 2.0
_RENEW_S: Final = 1.0
_NO_RECORD: Final = OFFSET_END
"""The answer where no record is as late as a time. No answer at all is OFFSET_INVALID."""
_EARLIEST: Final[OffsetSpec] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]


class KafkaCoordination:
    """Asks through one admin client, and through a fresh one after a question without an answer.

    The first keeps asking the leader that it once learned of, dead or not, for up to five minutes
    (seen with 2.16.1), and under the epoch that it learned with it, for ever.
    """

    def __init__(self, cluster: Cluster, clock: Clock = SYSTEM_CLOCK) -> None:
        self._cluster = cluster
        self._clock = clock
        self._causes = Causes()
        self._admin = self._connected()
        self._renew_at = clock.monotonic() + _RENEW_S
        self._unstable = UnstableOffsets()
        with sorting("connecting"):
            group = {**common(cluster), "group.id": cluster.group, "enable.auto.commit": False}
            self._at_once = Consumer({**group, "isolation.level": "read_uncommitted"})
            self._when_stable = Consumer(
                {**group, "isolation.level": "read_committed", **self._unstable.properties()}
            )
        self._fences: dict[str, Producer] = {}
        self._answers_since = -inf

    def committed(self, partition: int, *, stable: bool) -> Committed | None:
        """Return the group's offset for an input partition, with its text.

        Asked by consumers that never join: the admin client's question ends the process while the
        coordinator loads or moves (seen with 2.16.1). A read_uncommitted one is told at once what
        is committed; a read_committed one asks again by itself while offsets are pending.
        """
        if not stable:
            return self._ask(self._at_once, partition, _ANSWER_S)
        asked = self._clock.monotonic()
        try:
            found = self._stable(partition)
        except LogUnavailable:
            self._answers_since = inf
            raise
        self._believe(asked)
        return found

    def _believe(self, asked: float) -> None:
        """Raise LogUnavailable for an answer that came soon after a silence.

        A coordinator that was frozen answers when it thaws, and for a moment as it stood before:
        another may have taken its place, and later offsets (seen with 4.3.1).
        """
        now = self._clock.monotonic()
        if self._answers_since == inf or (self._answers_since < 0 and now - asked > _SILENT_S):
            self._answers_since = now
        if asked < self._answers_since + _DOUBT_S:
            raise LogUnavailable("the group's coordinator has just begun to answer again")
        self._answers_since = -inf

    def _stable(self, partition: int) -> Committed | None:
        for patience in _STABLE_S:
            self._when_stable.poll(0)  # what was said in answer to earlier questions
            self._unstable.forget()
            try:
                return self._ask(self._when_stable, partition, patience)
            except LogUnavailable as fault:
                late = fault
            self._when_stable.poll(0)
            if partition in self._unstable:
                raise NotStable(str(late)) from late
        raise late

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
        start, stable, end = self._offsets(
            place,
            (_EARLIEST, IsolationLevel.READ_UNCOMMITTED),
            (LATEST, IsolationLevel.READ_COMMITTED),
            (LATEST, IsolationLevel.READ_UNCOMMITTED),
        )
        return Extent(start, stable, max(stable, end))

    def ends(self, places: Collection[Place]) -> EndsAnswer:
        """Ask where partitions end, with one question for all leaders."""
        question = EndsQuestion(self._admin, self._cluster, places)

        def answers() -> Mapping[Place, Ends] | None:
            found = question.answers()
            if found is not None and not question.is_whole(found):
                self._renew()
            return found

        return answers

    def timestamps(self, offsets: Mapping[Place, int]) -> dict[Place, int]:
        """Return the timestamps of the records at these offsets, or next behind them."""
        return record_times(self._cluster, offsets)

    def offset_at(self, partition: int, timestamp: int, topic: Topic = Topic.UPDATES) -> int:
        """Return the first offset at or after the time, the end where no record is so late."""
        place = TopicPartition(self._cluster.topics[topic], partition)
        at_time = (OffsetSpec.for_timestamp(timestamp), IsolationLevel.READ_UNCOMMITTED)
        (found,) = self._offsets(place, at_time, least=_NO_RECORD)
        return found if found >= 0 else self.extent(topic, partition).stable_end

    def topic_ids(self, topics: Collection[Topic] = tuple(Topic)) -> dict[Topic, str]:
        """Return each topic's id, in its usual text form."""
        return {topic: str(each.topic_id) for topic, each in self._topics(topics).items()}

    def partitions(self, topic: Topic) -> int:
        """Return how many partitions a topic has."""
        return len(self._topics([topic])[topic].partitions)

    def tombstones_kept_ms(self) -> int:
        """Return the output's `delete.retention.ms`; 0 where a broker does not tell it."""
        needed = self._cluster.on_topic(Topic.SESSIONS, "DESCRIBE_CONFIGS")
        with self._asking("asking how long tombstones are kept"):
            return int(settings_of(self._admin, needed).get("delete.retention.ms", 0))

    def cluster_id(self) -> str:
        """Return the cluster's id."""
        doing = "asking for the cluster's id"
        with self._asking(doing):
            asked = self._admin.describe_cluster(request_timeout=_ANSWER_S)
            return str(asked.result(_ANSWER_S + 1).cluster_id)

    def _topics(self, wanted: Collection[Topic]) -> dict[Topic, Any]:
        doing = "asking for the topics"
        names = {topic: self._cluster.topics[topic] for topic in wanted}
        with self._causes.explaining(self._admin.poll), self._asking(doing):
            asked = self._admin.describe_topics(
                TopicCollection(list(names.values())), request_timeout=_ANSWER_S
            )
            found = {}
            for topic, name in names.items():
                with sorting(f"{doing}: {name}", self._cluster.on_topic(topic, "DESCRIBE")):
                    found[topic] = asked[name].result(_ANSWER_S + 1)
            return found

    def _offsets(
        self, place: TopicPartition, *asked: tuple[OffsetSpec, IsolationLevel], least: int = 0
    ) -> list[int]:
        """Return the answers to questions that are asked at once; none is below `least`.

        Of a leader that keeps silent the admin client makes an offset below, and no error.
        """
        doing = f"asking for offsets of {place.topic} partition {place.partition}"
        with self._asking(doing, self._cluster.permission("DESCRIBE", "topic", place.topic)):
            answers = [
                self._admin.list_offsets(
                    {place: spec}, isolation_level=isolation, request_timeout=_ANSWER_S
                )[place]
                for spec, isolation in asked
            ]
            found: list[int] = [each.result(_ANSWER_S + 1).offset for each in answers]
            if min(found) < least:
                raise LogUnavailable(f"{doing}: no answer from its leader")
        return found

    @contextmanager
    def _asking(self, doing: str, *needs: Permission) -> Iterator[None]:
        try:
            with sorting(doing, *needs):
                yield
        except LogUnavailable:
            self._renew()
            raise

    def _renew(self) -> None:
        if self._clock.monotonic() >= self._renew_at:
            self._renew_at = self._clock.monotonic() + _RENEW_S
            self._admin = self._connected()

    def _connected(self) -> AdminClient:
        with sorting("connecting"):
            properties = {**common(self._cluster), "error_cb": self._causes.note}
            return AdminClient(properties)  # type: ignore[arg-type]  # callbacks too
