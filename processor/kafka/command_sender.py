"""Commands to the input, outside of transactions: `Commands` on confluent-kafka."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from processor.avro.codec import CommandCodec
from processor.core.command import SessionCommand
from processor.core.session import session_key
from processor.kafka.clients import Cluster, idempotent
from processor.kafka.faults import Causes, sort, sorting
from processor.ports.log import LogUnavailable, Topic

PATIENCE: Final = 30.0
"""Seconds that a command may wait for room in the queue."""
_ROOM_S: Final = 0.05


class CommandSender:
    """Sends with an idempotent producer. After a failure the next command has another one."""

    def __init__(self, cluster: Cluster, codec: CommandCodec) -> None:
        self._cluster = cluster
        self._codec = codec
        self._causes = Causes()
        self._producer: Producer | None = None
        self._ends: dict[int, int] = {}
        self._failed: KafkaError | None = None

    def send(self, partition: int, command: SessionCommand) -> None:
        """Hand a command over."""
        producer = self._producer = self._producer or self._made()
        key = session_key(command.application_id, command.integration_id)
        value, start = self._codec.write(command), monotonic()
        with self._sorting():
            while True:
                try:
                    producer.produce(
                        self._cluster.topics[Topic.UPDATES],
                        value,
                        key.encode(),
                        partition,
                        on_delivery=self._delivered,
                    )
                except BufferError:
                    if monotonic() - start > PATIENCE:
                        raise LogUnavailable("sending commands: the queue stayed full") from None
                    producer.poll(_ROOM_S)
                else:
                    return

    def unanswered(self) -> int:
        """Return how many commands are under way; the client counts its news, too."""
        if self._producer is None:
            return 0
        with self._sorting():
            self._producer.poll(0)
            return len(self._producer)

    def flush(self, seconds: float) -> dict[int, int]:
        """Wait until all that was sent is with the brokers."""
        if self._producer is None:
            return {}
        with self._sorting(), self._causes.explaining(self._producer.poll):
            left = self._producer.flush(seconds)
            if self._failed is not None:
                needed = self._cluster.on_topic(Topic.UPDATES, "WRITE")
                raise sort(self._failed, "sending commands", [needed])
            if left:
                raise LogUnavailable(f"sending commands: {left} were not taken in {seconds:g} s")
        ends, self._ends = self._ends, {}
        return ends

    def close(self) -> None:
        """Let go; what is in the queue is purged, so that nothing is waited for."""
        producer, self._producer = self._producer, None
        self._ends, self._failed = {}, None
        if producer is not None:
            producer.purge()

    def _made(self) -> Producer:
        return Producer({**idempotent(self._cluster), "error_cb": self._causes.note})

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is not None:
            self._failed = error
        elif partition is not None and offset is not None:
            self._ends[partition] = max(self._ends.get(partition, 0), offset + 1)

    @contextmanager
    def _sorting(self) -> Iterator[None]:
        """Raise what an error inside means, and let go of the producer that met it."""
        try:
            with sorting("sending commands", self._cluster.on_topic(Topic.UPDATES, "WRITE")):
                yield
        except BaseException:
            self.close()
            raise
