"""What the topics are like, by the word of all brokers.

One broker knowing does not make all know: a topic just made is unknown to the next broker that is
asked, and in a rolling restart a known one may be for a moment. So a topic is absent when no
broker knows it, it is there when none lacks it, and between the two the question is asked again.
"""

from collections.abc import Mapping, Sequence
from time import monotonic, sleep
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AdminClient,
    ConfigResource,
)

from processor.errors import ProcessorError, TopicError
from processor.kafka.clients import Cluster
from processor.kafka.faults import error_of, sorting
from processor.kafka.permissions import Permission
from processor.kafka.topic_findings import TopicState
from processor.ports.log import LogUnavailable, Topic

ANSWER_S: Final = 5.0
_AGREED_S: Final = 10.0
_AGAIN_S: Final = 0.05
_ONE_BROKER_S: Final = 2.0
_UNKNOWN: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001


class _Brokers(NamedTuple):
    """How many brokers know a topic; one that does not answer counts for neither."""

    knowing: int
    lacking: int


def topic_states(
    admin: AdminClient, cluster: Cluster, topics: Sequence[Topic] = tuple(Topic)
) -> dict[Topic, TopicState]:
    """Return what those of the topics are like that exist.

    Raises LogUnavailable, also where brokers contradict each other for ten seconds, and Forbidden.
    """
    start = monotonic()
    while True:
        found, contradicted = _ask(admin, cluster, topics)
        if not contradicted:
            return found
        if monotonic() - start > _AGREED_S:
            raise LogUnavailable(
                f"topic {', '.join(contradicted)}: some brokers know it and others do not, for "
                f"{_AGREED_S:.0f} s"
            )
        sleep(_AGAIN_S)


def wait_until_known(admin: AdminClient, cluster: Cluster, topic: Topic) -> TopicState:
    """Return what a topic that was just made is like, when no broker that answers lacks it.

    Raises LogUnavailable after ten seconds, and Forbidden.
    """
    start = monotonic()
    while True:
        state = topic_states(admin, cluster, [topic]).get(topic)
        if state is not None and not _brokers(admin, cluster, topic).lacking:
            return state
        if monotonic() - start > _AGREED_S:
            raise LogUnavailable(
                f"topic {cluster.topics[topic]} was created, and after {_AGREED_S:.0f} s there are "
                "brokers that do not know it. Run it again: what is there is not changed"
            )
        sleep(_AGAIN_S)


def _ask(
    admin: AdminClient, cluster: Cluster, topics: Sequence[Topic]
) -> tuple[dict[Topic, TopicState], list[str]]:
    """Return the topics' states, and the names of those on which brokers contradict each other."""
    doing = "asking for the topics"
    names = TopicCollection([cluster.topics[topic] for topic in topics])
    with sorting(doing):
        asked = admin.describe_topics(names, request_timeout=ANSWER_S)
        brokers = len(admin.list_topics(timeout=ANSWER_S).brokers)
    found: dict[Topic, TopicState] = {}
    contradicted = []
    for topic in topics:
        name = cluster.topics[topic]
        description = None
        with sorting(f"{doing}: {name}", cluster.on_topic(topic, "DESCRIBE"), but=_UNKNOWN):
            description = asked[name].result(ANSWER_S + 1)
        if description is None:
            if _brokers(admin, cluster, topic).knowing:
                contradicted.append(name)
            continue
        replicas = min((len(each.replicas) for each in description.partitions), default=0)
        try:
            settings = settings_of(admin, cluster.on_topic(topic, "DESCRIBE_CONFIGS"))
        except TopicError:  # another broker described it a moment ago
            contradicted.append(name)
        else:
            partitions = len(description.partitions)
            found[topic] = TopicState(partitions, replicas, settings, brokers)
    return found, contradicted


def _brokers(admin: AdminClient, cluster: Cluster, topic: Topic) -> _Brokers:
    """Ask each broker by itself whether it knows a topic."""
    doing = "asking for the brokers"
    with sorting(doing):
        # Not `describe_cluster`: that waits for one broker, which may be away, and this for any.
        nodes = admin.list_topics(timeout=ANSWER_S).brokers
    resource = ConfigResource(ConfigResource.Type.TOPIC, cluster.topics[topic])
    asked = [
        admin.describe_configs([resource], request_timeout=_ONE_BROKER_S, broker=node)[resource]
        for node in nodes
    ]
    knowing = lacking = 0
    for answer in asked:
        try:
            with sorting(doing):
                answer.result(_ONE_BROKER_S + 1)
        except (LogUnavailable, ProcessorError) as fault:
            error = error_of(fault)
            lacking += error is not None and error.code() in _UNKNOWN
        else:
            knowing += 1
    return _Brokers(knowing, lacking)


def settings_of(admin: AdminClient, needed: Permission) -> dict[str, str]:
    """Return the settings of the topic that the permission names.

    Raises LogUnavailable, Forbidden, and TopicError where the broker does not know it.
    """
    name = needed.name
    doing = f"asking for the settings of {name}"
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    with sorting(doing, needed):
        asked = admin.describe_configs([resource], request_timeout=ANSWER_S)
        answer: Mapping[str, Any] = asked[resource].result(ANSWER_S + 1)
    return {entry: each.value for entry, each in answer.items() if each.value is not None}
