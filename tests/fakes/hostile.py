"""What producers write that no reader can read."""

from confluent_kafka import Producer

from processor.kafka.clients import Cluster
from processor.ports.log import Topic


def spoil(cluster: Cluster, partition: int, count: int, size: int) -> None:
    """Write one batch of so many updates that unpacks to more than `size` bytes."""
    producer = Producer(
        {
            "bootstrap.servers": cluster.properties["bootstrap.servers"],
            "compression.type": "zstd",
            "linger.ms": 2_000,
            "message.max.bytes": 1_000_000_000,
            "batch.size": 1_000_000_000,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )
    value = bytes(size // count + 1)
    for _ in range(count):
        producer.produce(cluster.topics[Topic.UPDATES], value, b"1:a", partition)
    assert producer.flush(60) == 0
