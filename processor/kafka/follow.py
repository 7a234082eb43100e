"""Following a topic as it grows."""

from collections.abc import Iterator, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

from processor.kafka.clients import Cluster, scanner
from processor.kafka.faults import sort, sorting
from processor.kafka.framing import reads
from processor.kafka.unreadable import is_lasting
from processor.ports.log import LogUnavailable, Record, Topic

_CHUNK: Final = 500
_MOMENT: Final = 0.2


def follow(cluster: Cluster, topic: Topic, starts: Mapping[int, int]) -> Iterator[list[Record]]:
    """Yield the committed records of the partitions from these offsets on, without end.

    A yield is empty when nothing has come within a moment, so that the caller can look around.
    While the brokers are away nothing comes. Close it to let go.
    """
    name = cluster.topics[topic]
    doing = f"following {name}"
    made = reads(topic)
    needs = cluster.to_read(topic)
    consumer = Consumer(scanner(cluster))
    try:
        with sorting(doing, *needs):
            consumer.assign([TopicPartition(name, each, at) for each, at in starts.items()])
        while True:
            with sorting(doing, *needs):
                messages = consumer.consume(1, _MOMENT)
                if messages:
                    messages += consumer.consume(_CHUNK, 0)
            good = []
            for message in messages:
                error = message.error()
                if error is None:
                    good.append(message)
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's form
                    fault = sort(error, doing, needs)
                    if is_lasting(error) or not isinstance(fault, LogUnavailable):
                        raise fault
            yield made(good)
    finally:
        consumer.close()
