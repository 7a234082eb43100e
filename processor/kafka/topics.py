"""The four topics: making them, looking at them, and refusing to run on wrong ones."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from processor.errors import TopicError
from processor.kafka.clients import Cluster, RecordLimits, common
from processor.kafka.faults import Causes, error_of, sorting
from processor.kafka.permissions import Permission
from processor.kafka.topic_findings import ABSENT, Finding, TopicState, judge
from processor.kafka.topic_needs import (
    DAY_MS,
    GONE_MS,
    MANY_PARTITIONS,
    USUAL_RECORD_BYTES,
    gone_after,
    settings_for,
)
from processor.kafka.topic_states import ANSWER_S, topic_states, wait_until_known
from processor.ports.log import LogUnavailable, Topic

_BROKER_DEFAULT: Final = -1


class TopicFacts(NamedTuple):
    """What the service goes by once the topics have been found right."""

    limits: RecordLimits
    """What the topics take that the service publishes to."""
    max_letter_bytes: int
    """The largest record that the dead letters take."""
    roll_ms: int = DAY_MS
    """After how long a segment of the output or of the claims makes room for another."""
    gone_ms: int = GONE_MS
    """After how long nothing is left of an end, if another record has followed each segment."""


class Created(NamedTuple):
    """What `create` did about one topic."""

    name: str
    partitions: int
    created: bool
    """False: it was there already and was not changed."""


def require(cluster: Cluster, max_snapshot_bytes: int) -> TopicFacts:
    """Return what the topics are like, if the service can run on them.

    Raises TopicError, naming every error in them and what to run, and LogUnavailable while no
    broker answers. Warnings do not count: `topics check` tells them.
    """
    found = states(cluster)
    errors = [
        finding
        for finding in judge(cluster.topics, found, max_snapshot_bytes, servers(cluster))
        if finding.severity == "error"
    ]
    if errors:
        raise TopicError(
            "; ".join(_sentence(each) for each in errors),
            hint="\n".join(["Run:", *dict.fromkeys(f"  {each.command}" for each in errors)]),
        )
    sessions, claims = found[Topic.SESSIONS].settings, found[Topic.CLAIMS].settings
    published = [state.record_limit for topic, state in found.items() if topic != Topic.UPDATES]
    return TopicFacts(
        limits=RecordLimits(max(published), min(published)),
        max_letter_bytes=found[Topic.DEAD_LETTERS].record_limit,
        roll_ms=min(DAY_MS, *(int(each.get("segment.ms", DAY_MS)) for each in (sessions, claims))),
        gone_ms=max(map(gone_after, (sessions, claims))),
    )


def inspect(cluster: Cluster, max_snapshot_bytes: int) -> list[Finding]:
    """Return what is wrong with the topics, errors first; empty when nothing is.

    Raises LogUnavailable and Forbidden.
    """
    return judge(cluster.topics, states(cluster), max_snapshot_bytes, servers(cluster))


def create(
    cluster: Cluster,
    max_snapshot_bytes: int,
    partitions: int | None = None,
    sessions: Mapping[str, str] | None = None,
) -> list[Created]:
    """Make those of the topics that are absent; return when the brokers know of all four.

    A topic that exists is never changed. Its partition count is what the new ones get when none is
    given (12 when there is none); one that contradicts it is refused before anything is made.
    Replication is the broker's default; `sessions` are further settings of the output.
    Raises TopicError, LogUnavailable and Forbidden.
    """
    admin, causes = _admin(cluster)
    with causes.explaining(admin.poll):
        found = topic_states(admin, cluster)
    count = _count(cluster, found, partitions)
    made = []
    for topic, name in cluster.topics.items():
        absent = topic not in found
        if absent:
            # The dead letters' limit follows the input's, which the broker may have chosen.
            updates = found.get(Topic.UPDATES)
            limit = updates.record_limit if updates else USUAL_RECORD_BYTES
            settings = settings_for(topic, max_snapshot_bytes, limit)
            if topic is Topic.SESSIONS:
                settings.update(sessions or {})
            make(admin, cluster.on_topic(topic, "CREATE"), count, settings)
            found[topic] = wait_until_known(admin, cluster, topic)
        made.append(Created(name, found[topic].partitions, absent))
    return made


def states(cluster: Cluster) -> dict[Topic, TopicState]:
    """Return what those of the topics are like that exist."""
    admin, causes = _admin(cluster)
    with causes.explaining(admin.poll):
        return topic_states(admin, cluster)


def servers(cluster: Cluster) -> str:
    """Return what a command line says to reach the cluster."""
    return str(cluster.properties.get("bootstrap.servers", ""))


def _sentence(finding: Finding) -> str:
    if finding.setting == ABSENT:
        return f"topic {finding.topic} does not exist"
    return (
        f"topic {finding.topic}: {finding.setting} is {finding.value} and must be "
        f"{finding.needed}, or else {finding.cost}"
    )


def _count(cluster: Cluster, found: Mapping[Topic, TopicState], wanted: int | None) -> int:
    for topic in (Topic.UPDATES, Topic.SESSIONS, Topic.DEAD_LETTERS):
        there = found.get(topic)
        if there is None:
            continue
        if wanted is not None and wanted != there.partitions:
            raise TopicError(
                f"topic {cluster.topics[topic]} exists with {there.partitions} partitions, not "
                f"{wanted}: nothing was created",
                hint=f"Leave --partitions out, or give {there.partitions}. To have more, see "
                '"more partitions are needed" in docs/operations/failures.md.',
            )
        return there.partitions
    return MANY_PARTITIONS if wanted is None else wanted


def make(
    admin: AdminClient, creation: Permission, partitions: int, settings: dict[str, str]
) -> None:
    """Make the topic that the permission names, unless it is there.

    Raises TopicError, LogUnavailable and Forbidden.
    """
    name = creation.name
    doing = f"creating topic {name}"
    new = NewTopic(name, partitions, _BROKER_DEFAULT, config=settings)
    try:
        with sorting(doing, creation, but={KafkaError.TOPIC_ALREADY_EXISTS}):
            asked = admin.create_topics([new], request_timeout=ANSWER_S)
            asked[name].result(ANSWER_S + 1)
    except LogUnavailable as fault:
        error = error_of(fault)
        # The client's own codes, about the way to a broker, are negative.
        if error is None or error.retriable() or error.code() <= 0:
            raise
        raise TopicError(
            str(fault),
            hint="Have it made by who may, with the settings that `topics check` lists.",
        ) from fault


def _admin(cluster: Cluster) -> tuple[AdminClient, Causes]:
    causes = Causes()
    with sorting("connecting"):
        return AdminClient({**common(cluster), "error_cb": causes.note}), causes  # type: ignore[dict-item]
