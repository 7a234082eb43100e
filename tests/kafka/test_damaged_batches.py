"""A byte that changed on a broker's disk, and the partition that it is in."""

import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from fakes.hostile import write_batch
from log_calls import await_both, taken
from servers import KafkaAddress, Names
from system.process import eventually

from processor.kafka import unreadable
from processor.kafka.clients import Cluster
from processor.kafka.scan import KafkaScan
from processor.kafka.subscription import KafkaSubscription
from processor.local.kafka import LocalKafka
from processor.ports.log import LogUnavailable, Record, Subscription, Topic

from . import cluster_of

GOOD, HURT, LATER = b"good", b"to be hurt", b"later"


def flip(kafka: LocalKafka, topic: str) -> None:
    """Change a byte of the value in partition 0, or change it back, while the broker is down."""
    kafka.stop()
    (segment,) = Path(kafka.data_dir, "data", f"{topic}-0").glob("*.log")
    content = segment.read_bytes()
    at = content.index(HURT[1:])
    segment.write_bytes(content[: at - 1] + bytes([content[at - 1] ^ 1]) + content[at:])
    kafka.launch()


@pytest.fixture
def cluster(private_kafka: LocalKafka, names: Names) -> Cluster:
    """An input with three batches in partition 0, of which the second is damaged."""
    cluster = cluster_of(KafkaAddress(private_kafka.bootstrap_servers), names)
    admin = AdminClient(dict(cluster.properties))
    name = cluster.topics[Topic.UPDATES]
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(20)
    for values in ([GOOD] * 3, [HURT], [LATER]):
        write_batch(cluster, 0, values)
    flip(private_kafka, name)
    return cluster


def joined(cluster: Cluster) -> Subscription:
    subscription = KafkaSubscription(cluster)
    await_both(subscription)
    return subscription


def values_until_damaged(subscription: Subscription) -> list[bytes | None]:
    found: list[Record] = []

    def is_damaged() -> bool:
        found.extend(subscription.take(100, 0.1))
        return 0 in subscription.damaged()

    eventually("partition 0 is damaged", is_damaged)
    return [each.value for each in found if each.partition == 0]


def test_nothing_of_a_damaged_batch_or_behind_it_comes_until_it_is_whole(
    private_kafka: LocalKafka, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreadable, "RETRY_S", 0.5)
    subscription = joined(cluster)
    subscription.resume({0: 0, 1: 0})
    assert values_until_damaged(subscription) == [GOOD] * 3
    assert "CRC32C" in subscription.damaged()[0]
    assert subscription.blocked() == {0}
    write_batch(cluster, 1, [b"other"])
    assert [each.value for each in taken(subscription, 1)] == [b"other"]
    # It is read again, more than once, and tells the same.
    until = time.monotonic() + 2
    eventually("2 s", lambda: not subscription.take(9, 0.1) and time.monotonic() > until)
    assert 0 in subscription.damaged()
    subscription.seek({0: 2})
    assert [each.value for each in taken(subscription, 1)] == [GOOD]

    flip(private_kafka, cluster.topics[Topic.UPDATES])
    found: list[Record] = []

    def whole() -> bool:
        found.extend(subscription.take(9, 0.1))
        news = subscription.rebalance()
        if news is not None and 0 in news.assigned:  # the broker was away for longer than a session
            subscription.resume({0: 3})
        return len(found) >= 2

    eventually("the rest", whole)
    assert [each.value for each in found] == [HURT, LATER]
    assert subscription.damaged() == {}
    subscription.close()


def test_a_scan_says_which_batch_is_damaged(cluster: Cluster) -> None:
    scan = KafkaScan(cluster)
    chunks = scan.read(Topic.UPDATES, 0, 0, 5)
    found: list[Record] = []
    with pytest.raises(LogUnavailable, match=r"partition 0 at 3: .*CRC32C"):
        found.extend(record for chunk in chunks for record in chunk)
    assert [each.value for each in found] == [GOOD] * 3
    assert [r.value for c in scan.read(Topic.UPDATES, 0, 0, 3) for r in c] == [GOOD] * 3
