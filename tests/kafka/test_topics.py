"""Topics: created as they must be, never changed, and each way in which they can be wrong."""

import json

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)
from servers import KafkaAddress, Names
from system.process import eventually

from processor.cli.main import main
from processor.errors import TopicError
from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.topic_needs import DAY_MS
from processor.kafka.topics import create, inspect, require, states
from processor.ports.log import Topic

from . import cluster_of

LIMIT = 900_000


def change(cluster: Cluster, topic: Topic, setting: str, value: str) -> None:
    admin = AdminClient(dict(cluster.properties))
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(
        ConfigResource.Type.TOPIC, cluster.topics[topic], incremental_configs=[entry]
    )
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)

    def seen() -> bool:
        return states(cluster)[topic].settings.get(setting) == value

    # The controller's answer comes before the broker has heard of the change.
    eventually(f"{setting} of {topic} is {value}", seen)


def make(cluster: Cluster, topic: Topic, partitions: int, **settings: str) -> None:
    admin = AdminClient(dict(cluster.properties))
    config = {name.replace("_", "."): value for name, value in settings.items()}
    for future in admin.create_topics(
        [NewTopic(cluster.topics[topic], partitions, 1, config=config)]
    ).values():
        future.result(10)
    # The controller's answer comes before the broker has heard of the topic.
    eventually("the topic is seen", lambda: topic in states(cluster))


@pytest.fixture
def cluster(kafka: KafkaAddress, names: Names) -> Cluster:
    return cluster_of(kafka, names)


def test_what_is_created_passes_the_check(cluster: Cluster) -> None:
    made = create(cluster, LIMIT)
    assert [(each.partitions, each.created) for each in made] == [(12, True)] * 4
    assert inspect(cluster, LIMIT) == []
    facts = require(cluster, LIMIT)
    assert KafkaCoordination(cluster).tombstones_kept_ms() == 7 * 86_400_000
    assert facts.limits.largest == 8 * 1024 * 1024
    assert facts.roll_ms == DAY_MS
    assert facts.gone_ms == 25 * DAY_MS


def test_what_exists_is_not_changed(cluster: Cluster) -> None:
    """New topics get the partitions of those that are there."""
    make(cluster, Topic.SESSIONS, 5, cleanup_policy="delete")
    made = create(cluster, LIMIT)
    assert [(each.partitions, each.created) for each in made] == [
        (5, True),
        (5, False),
        (5, True),
        (5, True),
    ]
    assert states(cluster)[Topic.SESSIONS].settings["cleanup.policy"] == "delete"
    wrong = {each.setting for each in inspect(cluster, LIMIT) if each.severity == "error"}
    assert "cleanup.policy" in wrong


def test_a_count_that_contradicts_is_refused_before_anything_is_made(cluster: Cluster) -> None:
    make(cluster, Topic.UPDATES, 5)
    with pytest.raises(TopicError, match=r"5 partitions, not 6: nothing was created"):
        create(cluster, LIMIT, 6)
    assert set(states(cluster)) == {Topic.UPDATES}


@pytest.mark.parametrize(
    ("topic", "setting", "value", "severity"),
    [
        (Topic.UPDATES, "cleanup.policy", "compact", "error"),
        (Topic.SESSIONS, "cleanup.policy", "delete", "error"),
        (Topic.SESSIONS, "cleanup.policy", "compact,delete", "error"),
        (Topic.SESSIONS, "message.timestamp.type", "LogAppendTime", "error"),
        (Topic.SESSIONS, "message.timestamp.after.max.ms", "3600000", "error"),
        (Topic.SESSIONS, "message.timestamp.before.max.ms", "3600000", "error"),
        (Topic.SESSIONS, "max.message.bytes", "900000", "error"),
        (Topic.SESSIONS, "max.message.bytes", "1000000", "warning"),
        (Topic.SESSIONS, "min.compaction.lag.ms", "0", "warning"),
        (Topic.SESSIONS, "delete.retention.ms", "1000", "warning"),
        (Topic.DEAD_LETTERS, "cleanup.policy", "compact", "error"),
        (Topic.SESSIONS, "segment.ms", "604800000", "warning"),
        (Topic.SESSIONS, "max.compaction.lag.ms", "9223372036854775807", "warning"),
        (Topic.DEAD_LETTERS, "retention.ms", "604799999", "error"),
        (Topic.DEAD_LETTERS, "segment.ms", "604800000", "warning"),
        (Topic.DEAD_LETTERS, "retention.bytes", "1000000000", "error"),
        (Topic.DEAD_LETTERS, "max.message.bytes", "1048588", "error"),
        (Topic.CLAIMS, "cleanup.policy", "delete", "error"),
        (Topic.CLAIMS, "max.message.bytes", "900000", "error"),
        (Topic.CLAIMS, "segment.ms", "604800000", "warning"),
        (Topic.CLAIMS, "max.compaction.lag.ms", "691200000", "warning"),
        (Topic.CLAIMS, "delete.retention.ms", "604800000", "warning"),
        (Topic.CLAIMS, "unclean.leader.election.enable", "true", "warning"),
    ],
)
def test_each_wrong_setting_is_found(
    cluster: Cluster, topic: Topic, setting: str, value: str, severity: str
) -> None:
    create(cluster, LIMIT, 1)
    change(cluster, topic, setting, value)
    (finding,) = inspect(cluster, LIMIT)
    name = cluster.topics[topic]
    assert (finding.topic, finding.setting, finding.value) == (name, setting, value)
    assert finding.severity == severity
    assert finding.cost
    assert f"--entity-name {name} --add-config {setting}=" in finding.command
    if severity == "error":
        with pytest.raises(TopicError) as refused:
            require(cluster, LIMIT)
        assert setting in refused.value.message
        assert finding.command in refused.value.hint
    else:
        require(cluster, LIMIT)
    change(cluster, topic, setting, finding.command.rsplit("=", 1)[1])
    assert inspect(cluster, LIMIT) == []


def test_letters_of_the_former_kind_stay_good(cluster: Cluster) -> None:
    """They have the timestamps of their updates, and must not expire by them."""
    create(cluster, LIMIT, 1)
    change(cluster, Topic.DEAD_LETTERS, "message.timestamp.type", "CreateTime")
    change(cluster, Topic.DEAD_LETTERS, "segment.ms", "604800000")
    change(cluster, Topic.DEAD_LETTERS, "message.timestamp.after.max.ms", str(2**63 - 1))
    (finding,) = inspect(cluster, LIMIT)
    assert (finding.setting, finding.needed, finding.severity) == ("retention.ms", "-1", "error")
    change(cluster, Topic.DEAD_LETTERS, "retention.ms", "-1")
    assert inspect(cluster, LIMIT) == []
    change(cluster, Topic.DEAD_LETTERS, "message.timestamp.after.max.ms", "3600000")
    (finding,) = inspect(cluster, LIMIT)
    assert (finding.setting, finding.severity) == ("message.timestamp.after.max.ms", "error")
    change(cluster, Topic.DEAD_LETTERS, "message.timestamp.type", "LogAppendTime")
    assert inspect(cluster, LIMIT) == []


def test_an_output_that_keeps_snapshots_longer_is_compacted_a_day_after_that(
    cluster: Cluster,
) -> None:
    create(cluster, LIMIT, 1)
    change(cluster, Topic.SESSIONS, "max.compaction.lag.ms", str(31 * DAY_MS))
    change(cluster, Topic.SESSIONS, "min.compaction.lag.ms", str(30 * DAY_MS))
    assert inspect(cluster, LIMIT) == []


def test_the_dead_letters_limit_follows_the_inputs(cluster: Cluster) -> None:
    create(cluster, LIMIT, 1)
    change(cluster, Topic.UPDATES, "max.message.bytes", "10000000")
    (finding,) = inspect(cluster, LIMIT)
    assert finding.topic == cluster.topics[Topic.DEAD_LETTERS]
    assert finding.needed == "at least 10065536"


def test_a_greater_snapshot_limit_needs_a_greater_output(cluster: Cluster) -> None:
    create(cluster, LIMIT, 1)
    found = {each.topic for each in inspect(cluster, 2_000_000) if each.severity == "error"}
    assert found == {cluster.topics[Topic.SESSIONS], cluster.topics[Topic.CLAIMS]}


@pytest.mark.parametrize("topic", [Topic.SESSIONS, Topic.DEAD_LETTERS])
def test_partition_counts_must_agree(cluster: Cluster, topic: Topic) -> None:
    make(cluster, topic, 2)
    make(cluster, Topic.UPDATES, 3)
    create(cluster, LIMIT)
    found = [each for each in inspect(cluster, LIMIT) if each.setting == "partitions"]
    assert [(each.topic, each.value) for each in found] == [(cluster.topics[topic], "2")]
    assert "--partitions 3" in found[0].command


def test_too_many_output_partitions_are_found(cluster: Cluster) -> None:
    make(cluster, Topic.SESSIONS, 4)
    make(cluster, Topic.UPDATES, 3)
    create(cluster, LIMIT)
    (found,) = [each for each in inspect(cluster, LIMIT) if each.setting == "partitions"]
    assert "--delete" in found.command


def test_absent_topics_are_named(cluster: Cluster) -> None:
    make(cluster, Topic.UPDATES, 1)
    with pytest.raises(TopicError) as refused:
        require(cluster, LIMIT)
    for topic in (Topic.SESSIONS, Topic.DEAD_LETTERS, Topic.CLAIMS):
        assert f"topic {cluster.topics[topic]} does not exist" in refused.value.message
    assert "session-processor topics create" in refused.value.hint


def flags(cluster: Cluster) -> list[str]:
    topics = cluster.topics
    return [
        f"--bootstrap-servers={cluster.properties['bootstrap.servers']}",
        f"--group-id={cluster.group}",
        f"--updates-topic={topics[Topic.UPDATES]}",
        f"--sessions-topic={topics[Topic.SESSIONS]}",
        f"--dead-letters-topic={topics[Topic.DEAD_LETTERS]}",
        f"--claims-topic={topics[Topic.CLAIMS]}",
    ]


def test_the_commands_create_and_check(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["topics", "check", "--json", *flags(cluster)]) == 4
    answer = json.loads(capsys.readouterr().out)
    assert not answer["ok"]
    assert len(answer["findings"]) == 4

    assert main(["topics", "create", "--partitions", "3", "--json", *flags(cluster)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["partitions"], row["created"]) for row in rows] == [(3, True)] * 4

    assert main(["topics", "check", "--json", *flags(cluster)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert answer["partitioner"]["fit"] == "unknown"


def test_the_check_speaks_to_people(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    create(cluster, LIMIT, 1)
    change(cluster, Topic.SESSIONS, "min.compaction.lag.ms", "0")
    assert main(["topics", "check", *flags(cluster)]) == 0
    told = capsys.readouterr()
    assert "min.compaction.lag.ms" in told.out
    assert "partitioner" not in told.out  # there is one partition
    assert "kafka-configs" in told.err


def test_no_broker_is_said_shortly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "check", "--bootstrap-servers=127.0.0.1:1"]) == 6
    assert "PROCESSOR_BOOTSTRAP_SERVERS" in capsys.readouterr().err
