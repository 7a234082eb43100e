"""Where the topics are not what they must be.

Pure: what the topics are like comes in, findings go out. A broker that does not tell of a setting
(an older one, a managed one) is not held to it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from processor.kafka.topic_needs import (
    RECORD_LIMIT,
    USUAL_RECORD_BYTES,
    Severity,
    at_least,
    needs,
)
from processor.ports.log import Topic

ABSENT: Final = "topic"
"""What a finding calls the setting that a topic lacks as a whole."""
_CREATE: Final = "session-processor topics create"
_REPLICATED: Final = 3
_COPIES: Final = at_least(
    "min.insync.replicas",
    2,
    "a record counts as written when one broker has it, and is lost with that broker",
    "warning",
)
"""What a replicated topic needs; what is not replicated has other worries."""


class TopicState(NamedTuple):
    """A topic as the brokers describe it."""

    partitions: int
    replicas: int
    settings: Mapping[str, str]
    brokers: int
    """How many there are that could have replicas."""

    @property
    def record_limit(self) -> int:
        """The size of the largest record that it takes."""
        return int(self.settings.get(RECORD_LIMIT, USUAL_RECORD_BYTES))


class Finding(NamedTuple):
    """One thing about a topic that is not as it must be, or as it had better be."""

    topic: str
    setting: str
    value: str
    needed: str
    severity: Severity
    cost: str
    """What the value as it is would cost."""
    command: str
    """What to run."""


def judge(
    names: Mapping[Topic, str],
    states: Mapping[Topic, TopicState],
    max_snapshot_bytes: int,
    servers: str,
) -> list[Finding]:
    """Return what is wrong with the topics, absent ones first."""
    findings = [
        Finding(name, ABSENT, "absent", "present", "error", "nothing can be processed", _CREATE)
        for topic, name in names.items()
        if topic not in states
    ]
    findings += _counts(names, states, servers)
    findings += _alone(names, states, servers)
    updates = states.get(Topic.UPDATES)
    input_bytes = updates.record_limit if updates else USUAL_RECORD_BYTES
    for topic, state in states.items():
        met: set[str] = set()
        copies = [_COPIES] if state.replicas >= _REPLICATED else []
        needed = needs(topic, max_snapshot_bytes, input_bytes, state.settings)
        for need in [*needed, *copies]:
            value = state.settings.get(need.setting)
            if value is None or need.setting in met or need.holds(value):
                continue
            met.add(need.setting)
            command = alter_command(names[topic], {need.setting: need.to}, servers)
            said = need.setting, value, need.needed, need.severity, need.cost
            findings.append(Finding(names[topic], *said, command))
    return sorted(findings, key=lambda finding: finding.severity)


def alter_command(topic: str, settings: Mapping[str, str], servers: str) -> str:
    """Return the command of Kafka's own tools that changes a topic's settings."""
    # Brackets keep a list, such as two cleanup policies, in one value.
    pairs = ",".join(
        f"{name}=[{value}]" if "," in value else f"{name}={value}"
        for name, value in settings.items()
    )
    return (
        f"kafka-configs --bootstrap-server {servers} --alter --entity-type topics "
        f"--entity-name {topic} --add-config {pairs}"
    )


def _alone(
    names: Mapping[Topic, str], states: Mapping[Topic, TopicState], servers: str
) -> list[Finding]:
    """Return the topics that have one replica where three could be."""
    return [
        Finding(
            names[topic],
            "replication factor",
            "1",
            str(_REPLICATED),
            "warning",
            "a partition stands still while its one broker is away, and what is in it is lost with "
            "that broker's disk",
            f"kafka-reassign-partitions --bootstrap-server {servers} --execute "
            "--reassignment-json-file FILE (with three replicas for each partition)",
        )
        for topic, state in states.items()
        if state.replicas == 1 and state.brokers >= _REPLICATED
    ]


def _counts(
    names: Mapping[Topic, str], states: Mapping[Topic, TopicState], servers: str
) -> list[Finding]:
    """Return what is wrong with the numbers of partitions: partition p belongs to partition p."""
    updates = states.get(Topic.UPDATES)
    if updates is None:
        return []
    findings = []
    for topic in (Topic.SESSIONS, Topic.DEAD_LETTERS):
        state = states.get(topic)
        if state is None or state.partitions == updates.partitions:
            continue
        name, tool = names[topic], f"kafka-topics --bootstrap-server {servers}"
        if state.partitions < updates.partitions:
            command = f"{tool} --alter --topic {name} --partitions {updates.partitions}"
        else:  # partitions cannot be taken away
            unneeded = "(only if nothing in it is needed)"
            command = f"{tool} --delete --topic {name} {unneeded}, then {_CREATE}"
        findings.append(
            Finding(
                name,
                "partitions",
                str(state.partitions),
                f"{updates.partitions}, as {names[Topic.UPDATES]} has",
                "error",
                "what comes of input partition p is published to partition p",
                command,
            )
        )
    return findings
