"""Reading a topic's partition from end to end: `Scan` on confluent-kafka."""

from collections.abc import Iterator, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

from processor.kafka.clients import Cluster, scanner
from processor.kafka.faults import sort, sorting
from processor.kafka.framing import reads
from processor.ports.log import LogUnavailable, Record, Topic

_CHUNK: Final = 2_000
_MOMENT: Final = 0.1


class KafkaScan:
    """Makes a consumer for each reading, outside of the group, and closes it at the end."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        """Yield chunks until the position has passed `end`, which no record need be at."""
        if start >= end:
            return
        name = self._cluster.topics[topic]
        doing = f"reading {name} partition {partition}"
        made = reads(topic)
        needs = self._cluster.to_read(topic)
        place = TopicPartition(name, partition, start)
        with sorting(doing, *needs):
            consumer = Consumer(scanner(self._cluster))
        # A fetch that the broker refuses as out of range, as it may for a moment while a
        # transaction is fenced, resets to the beginning: what was yielded must not come again.
        following = start
        try:
            with sorting(doing, *needs):
                consumer.assign([place])
            while True:
                with sorting(doing, *needs):
                    # One call for all would wait for a chunk to fill, at the end of each partition.
                    messages = consumer.consume(1, _MOMENT)
                    if messages:
                        messages += consumer.consume(_CHUNK - 1, 0)
                chunk = []
                for message in messages:
                    error = message.error()
                    if error is None:
                        offset = message.offset() or 0
                        if following <= offset < end:
                            chunk.append(made(message))
                            following = offset + 1
                    elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                        fault = sort(error, doing, needs)
                        if not isinstance(fault, LogUnavailable):
                            raise fault
                yield chunk
                with sorting(doing, *needs):
                    position = consumer.position([place])[0].offset
                if position >= end:
                    return
        finally:
            consumer.close()
