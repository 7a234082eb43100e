"""The group's offsets from outside of the group: who is in it, and setting them while nobody is."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from processor.errors import FailClosed
from processor.kafka.clients import Cluster, common
from processor.kafka.faults import sorting
from processor.ports.log import Committed, Topic

_ANSWER_S: Final = 10.0
_STOPPED: Final = frozenset({"EMPTY", "DEAD"})
_IN_USE: Final = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.NON_EMPTY_GROUP,
    }
)


class Group(NamedTuple):
    """Who is in the group now."""

    state: str
    members: tuple[str, ...]
    """Their clients' ids and hosts."""

    @property
    def stopped(self) -> bool:
        """Whether there is nobody, not even on the way in."""
        return self.state in _STOPPED and not self.members


class KafkaOffsets:
    """Asks through one admin client."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        with sorting("connecting"):
            self._admin = AdminClient(common(cluster))  # type: ignore[arg-type]  # callbacks too

    def group(self) -> Group:
        """Return who is in the group. Raises LogUnavailable."""
        doing = f"asking who is in group {self._cluster.group}"
        needed = self._cluster.on_group("DESCRIBE")
        found: Any = None
        with sorting(doing, needed, but={KafkaError.GROUP_ID_NOT_FOUND}):
            asked = self._admin.describe_consumer_groups(
                [self._cluster.group], request_timeout=_ANSWER_S
            )
            found = asked[self._cluster.group].result(_ANSWER_S + 1)
        if found is None:
            return Group("DEAD", ())
        members = tuple(f"{each.client_id} on {each.host}" for each in found.members)
        return Group(found.state.name, members)

    def require_stopped(self) -> None:
        """Raise FailClosed, naming the members, unless nobody is in the group."""
        group = self.group()
        if not group.stopped:
            who = ", ".join(group.members) or f"a group that is {group.state.lower()}"
            raise FailClosed(
                f"group {self._cluster.group} is in use by {len(group.members)} ({who}): nothing "
                "was changed",
                hint="Stop every `session-processor run` of the group, then try again. One that "
                "was killed leaves when its session times out, after 6 seconds by default.",
            )

    def set(self, offsets: Mapping[int, Committed]) -> None:
        """Commit input offsets with their texts, in one request, while nobody is in the group.

        The coordinator refuses where somebody has come: then FailClosed is raised.
        """
        doing = f"setting offsets of group {self._cluster.group}"
        topic = self._cluster.topics[Topic.UPDATES]
        places = [
            TopicPartition(topic, partition, each.offset, each.metadata)
            for partition, each in offsets.items()
        ]
        needs = (self._cluster.on_group("READ"), self._cluster.on_topic(Topic.UPDATES, "READ"))
        with sorting(doing, *needs, but=_IN_USE):
            asked = self._admin.alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(self._cluster.group, places)],
                request_timeout=_ANSWER_S,
            )
            for place in asked[self._cluster.group].result(_ANSWER_S + 1).topic_partitions:
                if place.error is not None:
                    raise KafkaException(place.error)
            return
        raise FailClosed(
            f"{doing}: a process joined the group meanwhile: nothing was changed",
            hint="Stop every `session-processor run` of the group, then try again.",
        )
