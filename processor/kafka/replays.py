"""The topics of replays: the plan that makes a replay exist, and the three that it publishes to."""

from collections.abc import Callable
from contextlib import closing
from time import monotonic, sleep
from typing import Final

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from processor.errors import InputError
from processor.kafka.clients import Cluster, common
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.faults import sorting
from processor.kafka.scan import KafkaScan
from processor.kafka.topic_needs import LONGEST_MS
from processor.kafka.topics import create, make
from processor.kafka.transactions import Transactions
from processor.ports.log import (
    NO_TIMESTAMP,
    BatchAborted,
    LogUnavailable,
    Outgoing,
    ProducerLost,
    Topic,
)
from processor.replay.names import named_by, plan_topic
from processor.replay.plan import Plan

_ANSWER_S: Final = 10.0
_ABSENT: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND})
_KEY: Final = b"plan"


class KafkaReplays:
    """The replays of one live service. Every method may block for half a minute.

    They raise LogUnavailable and Forbidden.
    """

    def __init__(self, live: Cluster) -> None:
        """Take the live cluster."""
        self._live = live
        with sorting("connecting"):
            self._admin = AdminClient(common(live))  # type: ignore[arg-type]  # callbacks too

    def names(self) -> list[str]:
        """Return the names of the replays that exist, in order."""
        named = (named_by(self._live.group, topic) for topic in self._topics())
        return sorted(name for name in named if name is not None)

    def read(self, name: str) -> Plan | None:
        """Return the plan, None where there is no such replay. Raises FailClosed."""
        topic = plan_topic(self._live.group, name)
        if topic not in self._topics():
            return None
        found = None
        cluster = self._of(topic)
        end = KafkaCoordination(cluster).extent(Topic.UPDATES, 0).stable_end
        for records in KafkaScan(cluster).read(Topic.UPDATES, 0, 0, end):
            for record in records:
                found = record.value
        return None if found is None else Plan.decode(found)

    def begin(self, plan: Plan, own: Cluster) -> Plan:
        """Write the plan of a new replay; return what stands, which may be another process's.

        Raises InputError where a topic of that name is there that is none of a replay's.
        """
        there = self._topics()
        topic = plan_topic(self._live.group, plan.name)
        taken = [each for part, each in own.topics.items() if part is not Topic.UPDATES]
        clash = [each for each in taken if each in there]
        if clash and topic not in there:
            raise InputError(
                f"there is a topic {clash[0]} already, and no replay {plan.name}",
                hint="give another --name, or delete the topic if nobody needs it",
            )
        creation = self._live.permission("CREATE", "topic", topic)
        make(self._admin, creation, 1, {"cleanup.policy": "compact"})
        self._await(lambda: topic in self._topics(), f"topic {topic} was created and is not seen")
        return self._write(plan, new=True)

    def rewrite(self, plan: Plan) -> Plan:
        """Replace the plan; return what stands."""
        return self._write(plan, new=False)

    def make_topics(self, plan: Plan, own: Cluster, max_snapshot_bytes: int) -> None:
        """Make those of the replay's topics that are absent; its output is not compacted."""
        lags = "min.compaction.lag.ms", "max.compaction.lag.ms"
        kept_whole = dict.fromkeys(lags, LONGEST_MS)
        create(own, max_snapshot_bytes, plan.stream.partitions, kept_whole)

    def drop(self, name: str, own: Cluster) -> list[str]:
        """Delete the group, the topics and, last, the plan; return the topics that were there."""
        there = self._topics()
        with sorting(f"deleting group {own.group}", own.on_group("DELETE"), but=_ABSENT):
            asked = self._admin.delete_consumer_groups([own.group], request_timeout=_ANSWER_S)
            asked[own.group].result(_ANSWER_S + 1)
        mine = [each for part, each in own.topics.items() if part is not Topic.UPDATES]
        dropped = [each for each in mine if each in there]
        last = plan_topic(self._live.group, name)
        self._delete(dropped)
        self._delete([last] if last in there else [])
        return [*dropped, *([last] if last in there else [])]

    def _delete(self, topics: list[str]) -> None:
        for each in topics:
            needed = self._live.permission("DELETE", "topic", each)
            with sorting(f"deleting {each}", needed, but=_ABSENT):
                asked = self._admin.delete_topics([each], request_timeout=_ANSWER_S)
                asked[each].result(_ANSWER_S + 1)
        self._await(
            lambda: not self._topics().intersection(topics),
            f"{', '.join(topics)} were deleted and can still be seen",
        )

    def _write(self, plan: Plan, *, new: bool) -> Plan:
        topic = plan_topic(self._live.group, plan.name)
        try:
            with closing(Transactions(self._of(topic), topic)) as writer:
                writer.open()  # from here on, no other process's plan comes between
                stands = self.read(plan.name)
                if new and stands is not None:
                    return stands
                record = Outgoing(Topic.UPDATES, 0, NO_TIMESTAMP, _KEY, plan.encode(), ())
                writer.transact([record], {})
        except (BatchAborted, ProducerLost) as lost:
            stands = self.read(plan.name)
            if stands is None:
                raise LogUnavailable(f"the plan could not be written: {lost}") from lost
            return stands
        return plan

    def _of(self, topic: str) -> Cluster:
        return Cluster(self._live.properties, topic, {Topic.UPDATES: topic})

    def _topics(self) -> set[str]:
        with sorting("asking for the topics"):
            return set(self._admin.list_topics(timeout=_ANSWER_S).topics)

    def _await(self, holds: Callable[[], bool], otherwise: str) -> None:
        start = monotonic()
        while not holds():
            if monotonic() - start > _ANSWER_S:
                raise LogUnavailable(otherwise)
            sleep(0.1)
