"""An input that no broker knows for a moment is read once one does."""

from collections.abc import Iterable

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from servers import KafkaAddress, Names
from system.process import eventually

from processor.errors import TopicError
from processor.kafka import subscription as module
from processor.kafka.faults import sort
from processor.kafka.permissions import Permission
from processor.ports.log import Topic

from . import cluster_of


def test_a_topic_that_is_unknown_for_a_moment_is_read_when_it_is_known(
    kafka: KafkaAddress, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[Exception] = []

    def listening(error: KafkaError, doing: str, needs: Iterable[Permission] = ()) -> Exception:
        faults.append(sort(error, doing, needs))
        return faults[-1]

    monkeypatch.setattr(module, "sort", listening)
    cluster = cluster_of(kafka, names)
    subscription = module.KafkaSubscription(cluster)

    def told() -> bool:
        return bool(subscription.take(1, 0.05) or faults)

    def assigned() -> bool:
        subscription.take(1, 0.05)
        news = subscription.rebalance()
        return news is not None and news.assigned == {0}

    eventually("the client is told that the topic is absent", told)
    assert isinstance(faults[0], TopicError)
    name = cluster.topics[Topic.UPDATES]
    admin = AdminClient(dict(cluster.properties))
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
    eventually("the partition is assigned", assigned)
    subscription.close()
