"""Each way in which the service refuses to go on: what it says, and that what it says to run helps.

Two are made with Kafka's own tools, as an operator would.
"""

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from kafka_tool import kafka_tool
from oracle import expected
from system.deployment import Deployment
from system.process import eventually

from processor.demo.traffic import updates
from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.offsets import KafkaOffsets
from processor.ports.log import Committed, Topic
from processor.state.checkpoint import CommitMetadata

SOME = 600


def process(deployment: Deployment) -> None:
    done = deployment.command("run", "--until-end")
    assert done.returncode == 0, done.stderr[-3000:]


def feed(deployment: Deployment, seed: int) -> None:
    deployment.produce(updates(SOME, seed=seed, partition=deployment.partition))


def refused(deployment: Deployment, message: str) -> None:
    done = deployment.command("run", "--until-end")
    said = " ".join(done.stderr.split())
    assert done.returncode == 5, said
    assert message in said
    assert "session-processor offsets repair" in said


def repair(deployment: Deployment, *arguments: str) -> list[dict[str, Any]]:
    done = deployment.command("offsets", "repair", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def shown(deployment: Deployment) -> list[dict[str, Any]]:
    done = deployment.command("offsets", "show", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def cluster_of(deployment: Deployment) -> Cluster:
    names = deployment.names
    topics = {
        Topic.UPDATES: names.updates,
        Topic.SESSIONS: names.sessions,
        Topic.DEAD_LETTERS: names.dead_letters,
        Topic.CLAIMS: names.claims,
    }
    return Cluster({"bootstrap.servers": deployment.bootstrap}, names.group, topics)


def tamper(
    deployment: Deployment, change: Callable[[Committed, CommitMetadata], Committed]
) -> None:
    """Change what is committed for partition 1."""
    cluster = cluster_of(deployment)
    coordination = KafkaCoordination(cluster)
    committed = coordination.committed(1, stable=True)
    assert committed is not None
    metadata = CommitMetadata.decode(committed.metadata, coordination.cluster_id())
    KafkaOffsets(cluster).set({1: change(committed, metadata)})


def topic_tool(deployment: Deployment, *arguments: str) -> None:
    kafka_tool("TopicCommand", "--bootstrap-server", deployment.bootstrap, *arguments)


def recreate(deployment: Deployment, name: str) -> None:
    """Delete a topic and create it as it was, by Kafka's own tool."""
    settings = {
        deployment.names.updates: ("retention.ms=-1", "message.timestamp.after.max.ms"),
        deployment.names.sessions: ("cleanup.policy=compact", "message.timestamp.after.max.ms"),
        deployment.names.dead_letters: ("retention.ms=-1", "message.timestamp.after.max.ms"),
        deployment.names.claims: ("cleanup.policy=compact",),
    }[name]
    extra = ["--config", "max.message.bytes=1200000"] if "letters" in name else []
    for setting in settings:
        extra += ["--config", setting if "=" in setting else f"{setting}={2**63 - 1}"]
    topic_tool(deployment, "--delete", "--topic", name)
    eventually(
        f"{name} is gone", lambda: name not in deployment.admin.list_topics(timeout=10).topics
    )
    partitions = str(deployment.partitions)
    topic_tool(deployment, "--create", "--topic", name, "--partitions", partitions, *extra)


def delete_offsets(deployment: Deployment) -> None:
    for future in deployment.admin.delete_consumer_groups([deployment.names.group]).values():
        future.result(10)


@pytest.fixture
def processed(deployment: Deployment) -> Deployment:
    """A service that has processed something, and was stopped."""
    feed(deployment, 1)
    process(deployment)
    return deployment


def test_deleted_offsets(processed: Deployment) -> None:
    before = processed.committed()
    delete_offsets(processed)
    refused(processed, "has no committed offset")
    assert {row["trouble"] for row in shown(processed)} == {"no offset"}

    planned = repair(processed)
    assert not any(row["applied"] for row in planned)
    assert set(processed.committed().values()) == {-1001}
    done = repair(processed, "--yes")
    assert all(row["applied"] for row in done)
    # What came after the last answer were duplicates.
    assert all(row["offset"] <= before[row["partition"]] for row in done)
    rows = shown(processed)
    assert {(row["epoch"], row["trouble"]) for row in rows} == {(1, None)}
    assert {row["partition"]: row["committed"] for row in rows} == processed.committed()

    feed(processed, 2)
    process(processed)
    processed.assert_exact()


def test_offsets_reset_with_kafkas_own_tool(processed: Deployment) -> None:
    kafka_tool(
        "consumer.group.ConsumerGroupCommand",
        *("--bootstrap-server", processed.bootstrap, "--group", processed.names.group),
        *("--topic", processed.names.updates, "--reset-offsets", "--to-earliest", "--execute"),
    )
    refused(processed, "somebody reset it")
    assert {row["trouble"] for row in repair(processed, "--yes")} == {"foreign offset"}
    feed(processed, 2)
    process(processed)
    processed.assert_exact()


@pytest.mark.parametrize("seeds", [(), (2,), (2, 3, 4)])
def test_an_input_that_was_created_again(processed: Deployment, seeds: tuple[int, ...]) -> None:
    """The broker deletes the offsets with the topic: what is at an answered offset tells."""
    recreate(processed, processed.names.updates)
    for seed in seeds:
        feed(processed, seed)
    refused(processed, "has no committed offset")
    rows = repair(processed, "--yes")
    assert {(row["trouble"], row["offset"]) for row in rows} == {("no offset", 0)}
    before = {key: len(log) for key, log in processed.read(processed.names.sessions).items()}
    feed(processed, 9)
    process(processed)
    after = processed.read(processed.names.sessions)
    assert all(len(after[partition]) > count for partition, count in before.items())

    # Answers to both logs are in the output now; those to the present one count.
    offsets = processed.committed()
    delete_offsets(processed)
    for row in repair(processed, "--yes"):
        assert offsets[row["partition"]] - 20 < row["offset"] <= offsets[row["partition"]]
    process(processed)
    assert {key: len(log) for key, log in after.items()} == {
        key: len(log) for key, log in processed.read(processed.names.sessions).items()
    }


def test_an_input_of_another_id(processed: Deployment) -> None:
    tamper(
        processed,
        lambda committed, metadata: Committed(
            committed.offset,
            metadata._replace(stream=metadata.stream._replace(updates="former")).encode(),
        ),
    )
    refused(processed, "it was deleted and created again")
    assert repair(processed, "--yes")[1]["offset"] == 0
    process(processed)


def test_an_output_that_was_created_again_is_made_anew(processed: Deployment) -> None:
    letters = processed.read(processed.names.dead_letters)
    recreate(processed, processed.names.sessions)
    refused(processed, "it was deleted and created again")
    repair(processed, "--yes")
    feed(processed, 2)
    process(processed)
    inputs = processed.read(processed.names.updates)
    output = processed.read(processed.names.sessions)
    keys = {each.key for log in output.values() for each in log}
    due = {each.key for log in inputs.values() for each in expected(log, {}).snapshots}
    assert keys == due
    again = processed.read(processed.names.dead_letters)
    assert all(len(again[partition]) >= 2 * len(log) for partition, log in letters.items())


@pytest.mark.parametrize("part", ["dead_letters", "claims"])
def test_another_topic_that_was_created_again(processed: Deployment, part: str) -> None:
    before = processed.committed()
    recreate(processed, getattr(processed.names, part))
    refused(processed, "it was deleted and created again")
    repair(processed, "--yes")
    assert processed.committed() == before
    feed(processed, 2)
    process(processed)
    assert {row["lag"] for row in shown(processed)} == {0}


def test_partitions_that_were_added(processed: Deployment) -> None:
    names = processed.names
    for name in (names.updates, names.sessions, names.dead_letters):
        topic_tool(processed, "--alter", "--topic", name, "--partitions", "6")
    refused(processed, "the input had 4 partitions and has 6")
    rows = repair(processed, "--yes")
    assert [row["action"] for row in rows] == ["set"] * 4 + ["virgin"] * 2
    processed.partitions = 6
    feed(processed, 2)
    process(processed)
    assert {row["lag"] for row in shown(processed)} == {0}


def test_updates_that_expired_unread(processed: Deployment) -> None:
    before = processed.committed()
    feed(processed, 2)
    places = [
        TopicPartition(processed.names.updates, partition, offset + 10)
        for partition, offset in before.items()
    ]
    for future in processed.admin.delete_records(places).values():
        future.result(10)
    refused(processed, "updates that were not processed have expired")
    for row in repair(processed, "--yes"):
        offset = before[row["partition"]]
        assert row["offset"] == offset + 10
        assert row["lost"] == [offset, offset + 9]
    process(processed)


def test_an_output_that_lost_its_end(processed: Deployment) -> None:
    tamper(
        processed,
        lambda committed, metadata: Committed(
            committed.offset, metadata._replace(output=metadata.output + 10**6).encode()
        ),
    )
    refused(processed, "published snapshots are gone")
    rows = repair(processed, "--yes")
    assert [row["action"] for row in rows] == ["keep", "set", "keep", "keep"]
    process(processed)


def test_an_offset_that_went_back(processed: Deployment) -> None:
    """To what was committed earlier, metadata and all, as if its own topic had lost its end."""
    before = shown(processed)[1]
    tamper(
        processed,
        lambda committed, metadata: Committed(
            committed.offset - 60, metadata._replace(output=metadata.output - 30).encode()
        ),
    )
    refused(processed, "later commits are gone")
    assert shown(processed)[1]["trouble"] == "offset gone back"
    row = repair(processed, "--yes")[1]
    assert before["committed"] - 20 < row["offset"] <= before["committed"]
    assert row["next_output"] == before["next_output"] + 1, "the marker"
    feed(processed, 2)
    process(processed)
    processed.assert_exact()


def test_an_input_that_lost_its_end(processed: Deployment) -> None:
    before = processed.committed()
    tamper(
        processed,
        lambda committed, metadata: Committed(committed.offset + 10**6, metadata.encode()),
    )
    refused(processed, "is to be read next")
    assert repair(processed, "--yes", "--partition", "1")[0]["offset"] == before[1]
    feed(processed, 2)
    process(processed)
    processed.assert_exact()


def reframe(deployment: Deployment) -> None:
    tamper(
        deployment,
        lambda committed, metadata: Committed(
            committed.offset,
            metadata._replace(stream=metadata.stream._replace(framing="confluent")).encode(),
        ),
    )


def test_another_framing(processed: Deployment) -> None:
    """Each repair raises the epoch."""
    for epoch in (1, 2):
        reframe(processed)
        refused(processed, "framed as confluent")
        rows = repair(processed, "--yes")
        assert [row["epoch"] for row in rows] == [None, epoch, None, None]
    feed(processed, 2)
    process(processed)
    processed.assert_exact()
    assert [row["epoch"] for row in shown(processed)] == [0, 2, 0, 0]


def test_a_newer_versions_offset_is_left_alone(processed: Deployment) -> None:
    tamper(
        processed,
        lambda committed, metadata: Committed(
            committed.offset, metadata.encode().replace('"readable":1', '"readable":9')
        ),
    )
    done = processed.command("offsets", "repair", "--yes")
    assert done.returncode == 5
    assert "run that version again" in " ".join(done.stderr.split())


def test_what_is_well_is_left_alone(processed: Deployment) -> None:
    before = shown(processed)
    assert {row["action"] for row in repair(processed, "--yes")} == {"keep"}
    assert shown(processed) == before
    done = processed.command("offsets", "repair")
    assert "nothing needs to be repaired" in done.stderr


def test_a_virgin_group_stays_virgin(deployment: Deployment) -> None:
    feed(deployment, 1)
    assert {row["action"] for row in repair(deployment, "--yes")} == {"virgin"}
    assert set(deployment.committed().values()) == {-1001}


def test_a_group_in_use_is_refused(processed: Deployment) -> None:
    owner = processed.run()
    owner.await_log("partition ready", times=processed.partitions)
    before = processed.committed()
    done = processed.command("offsets", "repair", "--yes")
    assert done.returncode == 5
    assert "is in use" in done.stderr
    assert processed.committed() == before
    owner.terminate()


def test_a_dead_owners_transaction_is_ended_first(processed: Deployment) -> None:
    feed(processed, 2)
    owner = processed.run_sabotaged("before-commit", 1)
    assert owner.wait(180) == -signal.SIGKILL
    group = KafkaOffsets(cluster_of(processed))
    eventually("the dead member has left", lambda: group.group().stopped)
    begin = time.monotonic()
    assert {row["action"] for row in repair(processed, "--yes")} == {"keep"}
    assert time.monotonic() - begin < 30
    process(processed)
    processed.assert_exact()


def test_people_are_told_in_tables(processed: Deployment) -> None:
    tamper(processed, lambda committed, _: Committed(committed.offset, ""))
    shown = processed.command("offsets", "show")
    assert "foreign offset" in shown.stdout
    assert "somebody reset it" in shown.stderr
    planned = processed.command("offsets", "repair")
    assert planned.returncode == 0
    assert "duplicates" in planned.stderr
    assert "nothing was changed; `--yes` sets this" in planned.stderr
    absent = processed.command("offsets", "repair", "--partition", "9")
    assert absent.returncode == 8
