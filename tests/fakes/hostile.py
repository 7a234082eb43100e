"""What producers write that is hard to read, and batches that are sure to be one."""

from collections.abc import Sequence

from confluent_kafka import Producer

from processor.kafka.clients import Cluster
from processor.ports.log import Topic

_HUGE: dict[str, str | int] = {
    "compression.type": "zstd",
    "message.max.bytes": 1_000_000_000,
    "batch.size": 1_000_000_000,
    "queue.buffering.max.kbytes": 1_000_000,
}


def write_batch(
    cluster: Cluster,
    partition: int,
    values: Sequence[bytes],
    properties: dict[str, str | int] | None = None,
) -> None:
    """Write the updates as one batch.

    The leader is known before the first is produced: during a flush, the client sends
    what it finds, so records that only wait for their leader go out one by one.
    """
    producer = Producer(
        {
            "bootstrap.servers": cluster.properties["bootstrap.servers"],
            "linger.ms": 60_000,
            "enable.idempotence": True,
            **(properties or {}),
        }
    )
    topic = cluster.topics[Topic.UPDATES]
    assert partition in producer.list_topics(topic, 20).topics[topic].partitions
    for value in values:
        producer.produce(topic, value, b"1:a", partition)
    assert producer.flush(60) == 0


def spoil(cluster: Cluster, partition: int, count: int, size: int) -> None:
    """Write one batch of so many updates that unpacks to more than `size` bytes."""
    write_batch(cluster, partition, [bytes(size // count + 1)] * count, _HUGE)
