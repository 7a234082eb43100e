"""The transactional producer: `Publication` on confluent-kafka."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Thread
from time import monotonic
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.errors import ProcessorError, UnpublishableError
from processor.kafka.authorized import denied
from processor.kafka.clients import MAX_REQUEST_BYTES, Cluster, transactional
from processor.kafka.faults import is_record_level, persist, sort_producer, sorting
from processor.kafka.permissions import Permission
from processor.ports.log import (
    BatchAborted,
    Committed,
    LogUnavailable,
    Membership,
    Outgoing,
    ProducerLost,
    Topic,
)

PATIENCE: Final = 30.0
"""Seconds that the brokers may take over one step of a transaction."""
LAST_PATIENCE: Final = 4.0
"""Seconds that all steps together may take once the process is to stop: it exits within 10."""
_HANGS_S: Final = 3.0
"""Seconds past its timeout after which a call is not awaited any longer."""
_NO_TIMESTAMP: Final = -1
_ANY: Final = -1
"""The partition that leaves the choice to the partitioner."""


class KafkaPublication:
    """One producer at a time, each under a fresh transactional id `{group}-{nonce}`."""

    def __init__(
        self,
        cluster: Cluster,
        stopping: Callable[[], bool],
        max_record_bytes: int = MAX_REQUEST_BYTES,
    ) -> None:
        self._cluster = cluster
        self._stopping = stopping
        self._max_record_bytes = max_record_bytes
        self._sessions = cluster.topics[Topic.SESSIONS]
        self._updates = cluster.topics[Topic.UPDATES]
        self._producer: Producer | None = None
        self._identity = ""
        self._open = False
        self._ends: dict[int, int] = {}
        self._refused: UnpublishableError | None = None
        self._refused_bytes = 0
        self._awaited: set[int | None] = set()
        self._failed = False
        self._name_each = False
        self._last_moment: float | None = None

    def identity(self) -> str:
        """Return the transactional id in use."""
        return self._identity

    def begin(self) -> None:
        """Open a transaction."""
        self._ends = {}
        self._refused = None
        self._refused_bytes = 0
        self._awaited.clear()
        self._failed = False
        persist(
            lambda _: self._live().begin_transaction(), "beginning", self._patience, self._needs()
        )
        self._open = True

    def send(self, records: Sequence[Outgoing]) -> None:
        """Hand records over; the last snapshot of each partition reports where it was written.

        A report of each costs more than the record, so all report only after a batch failed:
        then the error can name the record.
        """
        last = {record.partition: record for record in records if record.topic is Topic.SESSIONS}
        self._awaited.update(last)
        producer = self._live()
        for record in records:
            part, partition, timestamp, key, value, headers = record
            topic = self._sessions if part is Topic.SESSIONS else self._cluster.topics[part]
            more: dict[str, Any] = {}
            if timestamp != _NO_TIMESTAMP:
                more["timestamp"] = timestamp
            if headers:
                more["headers"] = list(headers)
            if self._name_each or last.get(partition) is record:
                more["on_delivery"] = self._delivered
            place = _ANY if partition is None else partition
            try:
                producer.produce(topic, value, key, place, **more)
            except BufferError:
                self._send_when_there_is_room(producer, topic, record, more)
            except KafkaException as exception:
                raise self._unsent(exception, topic, record) from exception

    def _send_when_there_is_room(
        self, producer: Producer, topic: str, record: Outgoing, more: dict[str, Any]
    ) -> None:
        place = _ANY if record.partition is None else record.partition
        start = monotonic()
        while True:
            self._serve(lambda: producer.poll(0.05), "waiting for room")
            try:
                producer.produce(topic, record.value, record.key, place, **more)
            except BufferError:
                if monotonic() - start > self._patience():
                    raise BatchAborted("the producer's queue stayed full") from None
            except KafkaException as exception:
                raise self._unsent(exception, topic, record) from exception
            else:
                return

    def flush(self) -> dict[int, int]:
        """Wait until every record is with the brokers, or the transaction cannot be saved."""
        start = monotonic()
        while self._flush_once():
            if monotonic() - start > self._patience():
                self._name_each = True
                raise BatchAborted("the brokers did not take the batch in time")
        if self._refused is not None:
            raise self._refused
        if not self._failed and not self._awaited <= self._ends.keys():
            # Seen after an abort: the client then counts fewer records than it has under way.
            raise ProducerLost("flushing: it ended before each record was with the brokers")
        return self._ends

    def _flush_once(self) -> int:
        """Return how many records are still under way after a second."""
        return self._serve(lambda: self._live().flush(1.0), "flushing")

    def _serve(self, call: Callable[[], int], doing: str) -> int:
        """Return what a call returns that serves delivery reports. Raises what the errors mean."""
        try:
            return call()
        except KafkaException as exception:
            raise sort_producer(exception.args[0], doing, self._needs()) from exception
        except SystemError as error:
            # confluent-kafka raises its fatal error where a delivery report returns.
            raise ProducerLost(f"{doing}: {error.__cause__ or error}") from error

    def commit(self, offsets: Mapping[int, Committed], membership: Membership) -> None:
        """Add the input offsets to the transaction, then commit it."""
        positions = [
            TopicPartition(self._updates, partition, each.offset, each.metadata)
            for partition, each in offsets.items()
        ]
        producer = self._live()
        try:
            persist(
                lambda wait: send_offsets(producer, positions, membership, wait),
                "sending offsets",
                self._patience,
                self._needs(),
            )
            persist(producer.commit_transaction, "committing", self._patience, self._needs())
        except (BatchAborted, ProducerLost):
            self._name_each = True
            raise
        self._open = False
        self._name_each = False

    def abort(self) -> None:
        """Abort the open transaction, if there is one."""
        if self._open:
            self._open = False
            persist(self._live().abort_transaction, "aborting", self._patience, self._needs())

    def replace(self) -> None:
        """Go on under a fresh id. The former one's transaction is fenced by whoever it holds up."""
        self._open = False
        self._producer = None
        identity = f"{self._cluster.group}-{uuid4().hex}"
        properties = transactional(self._cluster, identity, self._max_record_bytes)
        with sorting("making a producer"):
            producer = Producer(properties)
        try:
            persist(
                producer.init_transactions, "starting a producer", self._patience, self._needs()
            )
        except (BatchAborted, ProducerLost) as lost:
            raise LogUnavailable(str(lost)) from lost
        self._producer, self._identity = producer, identity

    def close(self) -> None:
        """Let go; what is in the queue is purged, so that nothing is waited for."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _needs(self) -> Iterator[Permission]:
        """Yield what publishing must be allowed; of topics, what the brokers do not allow."""
        cluster = self._cluster
        yield cluster.on_ids()
        yield cluster.on_group("READ")
        written = (Topic.SESSIONS, Topic.DEAD_LETTERS, Topic.CLAIMS)
        topics = [cluster.on_topic(each, "WRITE") for each in written]
        yield from denied(cluster, [*topics, cluster.on_topic(Topic.UPDATES, "READ")])

    def _unsent(self, exception: KafkaException, topic: str, record: Outgoing) -> Exception:
        error: KafkaError = exception.args[0]
        if error.code() == KafkaError._STATE:  # noqa: SLF001  librdkafka's own codes have this form
            return self._failed_before()
        needed = self._cluster.on_topic(record.topic, "WRITE")
        doing = f"publishing to {topic} the record of key {record.key!r}"
        return sort_producer(error, doing, [needed])

    def _failed_before(self) -> Exception:
        """Return why the transaction takes no more records: one that was sent before met an error.

        That the transaction is to be aborted is all that `produce` says. A report may name the
        record, and to begin another transaction is refused with the cause.
        """
        self._name_each = True
        try:
            self._flush_once()
            if self._refused is not None:
                return self._refused
            self._live().begin_transaction()
        except KafkaException as exception:
            return sort_producer(exception.args[0], "publishing", self._needs())
        except (BatchAborted, ProducerLost, ProcessorError) as fault:
            return fault
        return ProducerLost("publishing: the transaction was not open")

    def _live(self) -> Producer:
        if self._producer is None:
            raise ProducerLost("there is no producer yet")
        return self._producer

    def _patience(self) -> float:
        if not self._stopping():
            return PATIENCE
        if self._last_moment is None:
            self._last_moment = monotonic() + LAST_PATIENCE
        return max(0.0, self._last_moment - monotonic())

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._failed = self._failed or error is not None
        if error is None:
            partition, offset = message.partition(), message.offset()
            if message.topic() == self._sessions and partition is not None and offset is not None:
                self._ends[partition] = max(self._ends.get(partition, 0), offset + 1)
        elif is_record_level(error) and len(message) >= self._refused_bytes:
            # What shares a request with the cause is refused with it; a larger one is likelier.
            self._refused_bytes = len(message)
            self._refused = UnpublishableError(
                f"the broker refuses for good the record of key {message.key()!r} for "
                f"{message.topic()} partition {message.partition()}: "
                f"{error.str()} ({error.name()})",
                hint="Run `session-processor topics check`: its limits must let every record pass.",
            )


def send_offsets(
    producer: Producer, positions: list[TopicPartition], membership: Membership, wait: float
) -> None:
    """Send offsets, on a thread of its own: raises ProducerLost where the client hangs.

    After a broker's restart it may wait for the group's coordinator for ever, whatever its timeout
    is (seen with 2.16.1). Such a producer is left behind, thread and all; its transaction, which
    nobody can commit any more, times out.
    """
    errors = list[BaseException]()

    def send() -> None:
        try:
            producer.send_offsets_to_transaction(positions, membership, wait)
        except BaseException as error:  # noqa: BLE001  raised below, on the caller's thread
            errors.append(error)

    thread = Thread(target=send, name="send-offsets", daemon=True)
    thread.start()
    thread.join(wait + _HANGS_S)
    if thread.is_alive():
        raise ProducerLost("sending offsets: the client does not return")
    if errors:
        raise errors[0]
