"""Sending updates, none twice: each transaction carries with it how far its source was read."""

from collections.abc import Sequence
from time import monotonic
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.errors import UnpublishableError
from processor.kafka.clients import Cluster, common, transactional
from processor.kafka.faults import is_record_level, persist, sort, sort_producer, sorting
from processor.ports.log import (
    BatchAborted,
    LogUnavailable,
    Outgoing,
    ProducerLost,
    Topic,
)

PATIENCE: Final = 30.0
_ATTEMPTS: Final = 3
_ANSWER_S: Final = 2.0
_POSITION_AT: Final = 0
"""The input partition whose offset, in the source's own group, says how far the source was read."""
_NO_TIMESTAMP: Final = -1


class UpdateSender:
    """Sends what one source says to the input topic.

    The source has a name. Under it the brokers keep how far the source was sent, and let only one
    sender at a time go on: to start another ends whatever the former one had open. So a sender
    that was killed, wherever, is followed by one that begins where the last transaction ended.

    `partitioner` is one of librdkafka's. Every method may block for half a minute, and raises
    LogUnavailable, Forbidden, TopicError or UnpublishableError.
    """

    def __init__(self, cluster: Cluster, source: str, partitioner: str) -> None:
        self._topic = cluster.topics[Topic.UPDATES]
        self._source = source
        own = cluster._replace(group=f"{cluster.group}.produce.{source}")
        self._properties = {
            **transactional(cluster, own.group),
            "partitioner": partitioner,
        }
        # It never subscribes: it knows the group's offsets, and lends its name to the transaction.
        self._group = Consumer(
            {**common(own), "group.id": own.group, "isolation.level": "read_committed"}
        )
        self._producer: Producer | None = None
        self._refused: list[UnpublishableError] = []

    def open(self) -> int:
        """Take the source over and return how far it was sent, 0 for one that is new."""
        self._producer = None
        self._require_topic()
        producer = Producer(self._properties)
        try:
            persist(producer.init_transactions, "starting a producer", lambda: PATIENCE)
        except (BatchAborted, ProducerLost) as lost:
            raise LogUnavailable(str(lost)) from lost
        self._producer = producer
        return self._position()

    def send(self, records: Sequence[Outgoing], before: int, after: int) -> None:
        """Send records and move the position from `before` to `after`, all or nothing.

        Where the answer to a commit was lost, the position tells whether it stands. Raises
        LogUnavailable if the source was taken over meanwhile.
        """
        for attempt in range(_ATTEMPTS):
            try:
                self._transaction(records, after)
            except (BatchAborted, ProducerLost) as fault:
                position = self.open()
                if position == after:
                    return
                if position != before or attempt == _ATTEMPTS - 1:
                    raise LogUnavailable(str(fault)) from fault
            else:
                return

    def close(self) -> None:
        """Let go; an open transaction is left to time out or to be fenced."""
        self._group.close()
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _transaction(self, records: Sequence[Outgoing], after: int) -> None:
        producer = self._live()
        self._refused.clear()
        persist(lambda _: producer.begin_transaction(), "beginning", lambda: PATIENCE)
        for record in records:
            self._send(record)
        _flush(producer)
        for refused in self._refused:
            persist(producer.abort_transaction, "aborting", lambda: PATIENCE)
            raise refused
        place = TopicPartition(self._topic, _POSITION_AT, after, self._source)
        metadata = self._group.consumer_group_metadata()
        persist(
            lambda wait: producer.send_offsets_to_transaction([place], metadata, wait),
            "sending the position",
            lambda: PATIENCE,
        )
        persist(producer.commit_transaction, "committing", lambda: PATIENCE)

    def _send(self, record: Outgoing) -> None:
        options: dict[str, object] = {"key": record.key, "on_delivery": self._delivered}
        if record.partition is not None:
            options["partition"] = record.partition
        if record.timestamp != _NO_TIMESTAMP:
            options["timestamp"] = record.timestamp
        if record.headers:
            options["headers"] = list(record.headers)
        start = monotonic()
        while True:
            try:
                self._live().produce(self._topic, record.value, **options)  # type: ignore[arg-type]
            except BufferError:
                self._live().poll(0.05)
                if monotonic() - start > PATIENCE:
                    raise BatchAborted("the producer's queue stayed full") from None
            except KafkaException as exception:
                doing = f"sending the update of key {record.key!r}"
                raise sort_producer(exception.args[0], doing) from exception
            else:
                return

    def _require_topic(self) -> None:
        doing = f"looking for the topic {self._topic}"
        with sorting(doing):
            found = self._group.list_topics(self._topic, timeout=PATIENCE)
        error = found.topics[self._topic].error
        if error is not None:
            raise sort(error, doing)

    def _position(self) -> int:
        """Ask by a consumer: an admin client's question crashes while the coordinator loads."""
        place = TopicPartition(self._topic, _POSITION_AT)
        start = monotonic()
        while True:
            try:
                with sorting(f"asking how far {self._source} was sent"):
                    (found,) = self._group.committed([place], timeout=_ANSWER_S)
            except LogUnavailable:
                # Markers may be on their way: the answer waits for what is pending.
                if monotonic() - start > PATIENCE:
                    raise
            else:
                return max(found.offset, 0)

    def _live(self) -> Producer:
        if self._producer is None:
            raise ProducerLost("there is no producer yet")
        return self._producer

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and is_record_level(error):
            self._refused.append(
                UnpublishableError(
                    f"the broker refuses the update of key {message.key()!r}: "
                    f"{error.str()} ({error.name()})",
                    hint="Run `session-processor topics check`, or leave the update out.",
                )
            )


def _flush(producer: Producer) -> None:
    """Wait until the brokers have taken all; raise BatchAborted or ProducerLost where they do not.

    The client throws a fatal error (fenced) out of whatever call serves its callbacks, as a
    SystemError where a report of a delivery came behind it.
    """
    start = monotonic()
    try:
        while producer.flush(1.0):
            if monotonic() - start > PATIENCE:
                raise BatchAborted("the brokers did not take the updates in time")
    except (KafkaException, SystemError) as fatal:
        raise ProducerLost(f"sending updates: {fatal.__cause__ or fatal}") from fatal
