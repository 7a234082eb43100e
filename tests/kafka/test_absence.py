"""The input is absent when no broker has known it for a while, not at the first word."""

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from servers import KafkaAddress, Names
from system.deployment import eventually

from processor.errors import TopicError
from processor.kafka import absence
from processor.kafka.clients import Cluster
from processor.kafka.subscription import KafkaSubscription
from processor.ports.log import Topic

from . import cluster_of


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[TopicError]:
    """What subscriptions were told of absent topics."""
    told = []
    note = absence.Absence.note

    def listening(self: absence.Absence, fault: TopicError, partition: int) -> None:
        told.append(fault)
        note(self, fault, partition)

    monkeypatch.setattr(absence.Absence, "note", listening)
    return told


@pytest.fixture
def cluster(kafka: KafkaAddress, names: Names) -> Cluster:
    return cluster_of(kafka, names)


def test_a_topic_that_is_unknown_for_a_moment_is_read_when_it_is_known(
    cluster: Cluster, noted: list[TopicError]
) -> None:
    subscription = KafkaSubscription(cluster)

    def told() -> bool:
        return bool(subscription.take(1, 0.05) or noted)

    def assigned() -> bool:
        subscription.take(1, 0.05)
        news = subscription.rebalance()
        return news is not None and news.assigned == {0}

    eventually("the client is told that the topic is absent", told)
    name = cluster.topics[Topic.UPDATES]
    admin = AdminClient(dict(cluster.properties))
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
    eventually("the partition is assigned", assigned)
    subscription.close()


def test_a_topic_that_stays_unknown_is_absent(
    cluster: Cluster, noted: list[TopicError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absence, "_ABSENT_S", 1.0)
    subscription = KafkaSubscription(cluster)

    def told() -> bool:
        return bool(subscription.take(1, 0.05) or noted)

    def taken() -> bool:
        subscription.take(1, 0.05)
        return False

    eventually("the client is told that the topic is absent", told)
    with pytest.raises(TopicError, match=cluster.topics[Topic.UPDATES]):
        eventually("it is certain", taken)
    subscription.close()
