"""Three brokers: any one may be killed, stopped or frozen, and the stack brings it back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka import cluster_of
from servers import KafkaAddress, Names, Places, RedisAddress
from system.deployment import Deployment
from system.process import eventually
from system.test_runbooks import Shell, follow

from processor.cli.main import main
from processor.demo.traffic import updates
from processor.errors import LocalStackError
from processor.kafka.clients import Cluster
from processor.kafka.topics import create, inspect, require, states
from processor.local.cluster import LocalCluster
from processor.local.stack import ServerState, StackStatus, down, status, up
from processor.ports.log import Topic

LIMIT = 900_000
UP, DOWN, SILENT = "up", "down", "silent"


@pytest.fixture
def whole(private_cluster: LocalCluster, places: Places) -> Iterator[LocalCluster]:
    """The cluster of a stack, whole before and after the test; its Valkey may not have run yet."""
    places.guard.watch(private_cluster.data_dir.with_name("valkey"))
    yield private_cluster
    _up(private_cluster)


def _up(cluster: LocalCluster, brokers: int | None = None) -> StackStatus:
    return up(cluster.data_dir.parent, brokers=brokers, kafka_port=0, valkey_port=0)


def _seen(cluster: LocalCluster) -> list[ServerState]:
    return [each.state for each in status(cluster.data_dir.parent).brokers]


def _topics(cluster: LocalCluster) -> Cluster:
    return cluster_of(KafkaAddress(cluster.bootstrap_servers), Names.fresh())


def _produce(cluster: LocalCluster, topic: str) -> None:
    """Write to each of three partitions, whose leaders are three brokers when all are up."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "acks": "all"})
    for partition in range(3):
        producer.produce(topic, b"value", partition=partition)
    assert producer.flush(30) == 0


def test_topics_are_created_and_checked_twenty_times_over(whole: LocalCluster) -> None:
    """A topic just created is unknown for a moment to the next broker that is asked."""
    for _ in range(20):
        topics = _topics(whole)
        assert all(each.created for each in create(topics, LIMIT, 1))
        assert inspect(topics, LIMIT) == []
    assert [each.replicas for each in states(topics).values()] == [3, 3, 3, 3]


def test_it_goes_on_without_a_broker_that_was_killed_and_up_brings_that_one_back(
    whole: LocalCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _up(whole)

    whole.brokers[1].kill()

    here = ["--state-dir", str(before.state_dir)]
    assert main(["local", "status", "--json", *here]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["server"], row["state"]) for row in rows] == [
        ("Kafka 1", "down"),
        ("Kafka 2", "up"),
        ("Kafka 3", "up"),
        ("Valkey", "up"),
    ]
    client = AdminClient({"bootstrap.servers": whole.bootstrap_servers})
    eventually("it is missed", lambda: set(client.list_topics(timeout=10).brokers) == {2, 3})
    topics = _topics(whole)
    create(topics, LIMIT, 3)
    _produce(whole, topics.topics[Topic.UPDATES])

    assert main(["local", "up", "--brokers", "3", "--json", *here]) == 0

    after = status(before.state_dir)
    assert after.up
    kept = [(each.name, each.address, each.pid) for each in after.brokers[1:]]
    assert kept == [(each.name, each.address, each.pid) for each in before.brokers[1:]]
    assert after.brokers[0].address == before.brokers[0].address


def test_a_broker_that_is_frozen_is_silent_and_one_that_is_stopped_is_down(
    whole: LocalCluster,
) -> None:
    whole.brokers[3].pause()
    assert _seen(whole) == [UP, UP, SILENT]
    whole.brokers[3].resume()
    eventually("all answer again", lambda: _seen(whole) == [UP, UP, UP])

    whole.brokers[2].stop()
    assert _seen(whole) == [UP, DOWN, UP]
    whole.brokers[2].restart()
    eventually("it answers again", lambda: _seen(whole) == [UP, UP, UP])


def test_down_ends_all_and_up_starts_as_many_as_there_were(whole: LocalCluster) -> None:
    before = _up(whole)
    topics = _topics(whole)
    create(topics, LIMIT, 3)

    stopped = down(before.state_dir)

    assert [each.state for each in (*stopped.brokers, stopped.valkey)] == [DOWN] * 4
    after = _up(whole)
    assert after.started == ("Valkey", "Kafka 1", "Kafka 2", "Kafka 3")
    assert after.bootstrap_servers == before.bootstrap_servers
    require(topics, LIMIT)
    assert states(topics)[Topic.UPDATES].partitions == 3


def test_what_has_one_replica_on_three_brokers_is_warned_of(whole: LocalCluster) -> None:
    topics = _topics(whole)
    name = topics.topics[Topic.UPDATES]
    admin = AdminClient({"bootstrap.servers": whole.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(20)
    create(topics, LIMIT)
    (finding,) = inspect(topics, LIMIT)
    assert finding[:5] == (name, "replication factor", "1", "3", "warning")
    require(topics, LIMIT)


def test_the_runbook_of_a_lost_broker(
    whole: LocalCluster, valkey: RedisAddress, names: Names, tmp_path: Path
) -> None:
    here = whole.bootstrap_servers
    with Deployment(here, valkey.url, names, tmp_path, partitions=3, replicas=3) as deployment:
        shell = Shell(deployment, tmp_path)
        shell.start()
        assert shell.service is not None
        deployment.produce(updates(200, seed=1, partition=deployment.partition))
        deployment.await_processed()
        whole.brokers[2].kill()
        deployment.produce(updates(200, seed=2, partition=deployment.partition))
        follow(shell, "A broker is lost")
        lacking, leaderless = shell.kafka_answers.values()
        assert lacking.count(f"Topic: {names.updates}") == 3
        assert names.updates not in leaderless
        deployment.await_processed()
        eventually("it is ready", shell.service.ready)
        whole.brokers[2].restart()
        deployment.produce(updates(200, seed=3, partition=deployment.partition))
        deployment.await_processed()
        shell.stop()
        deployment.assert_exact()


def test_a_stack_keeps_its_number_of_brokers(whole: LocalCluster) -> None:
    with pytest.raises(LocalStackError, match="3 broker"):
        _up(whole, brokers=1)
    assert _seen(whole) == [UP, UP, UP]
