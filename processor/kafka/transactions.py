"""A source that is sent once: its records, and how far it was sent, in the same transactions."""

from collections.abc import Iterable, Iterator, Sequence
from time import monotonic
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.errors import UnpublishableError
from processor.kafka.authorized import denied
from processor.kafka.clients import Cluster, common, transactional
from processor.kafka.faults import Causes, is_record_level, persist, sort, sort_producer, sorting
from processor.kafka.permissions import Permission
from processor.kafka.publication import send_offsets
from processor.ports.log import (
    BatchAborted,
    Committed,
    LogUnavailable,
    Outgoing,
    ProducerLost,
    Topic,
)

PATIENCE: Final = 30.0
_ATTEMPTS: Final = 3
_ANSWER_S: Final = 2.0
_NO_TIMESTAMP: Final = -1
_FENCED: Final = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED})  # noqa: SLF001

Place = tuple[str, int]
"""A topic and a partition, whose offset in the name's own group is a position."""


class Superseded(LogUnavailable):
    """Another process goes on under the name; nothing more is sent by this one."""


class Transactions:
    """Sends to the input topic under a name of its own.

    The name is a transactional id, and a group whose offsets are the positions. The brokers let
    only one sender at a time go on under it: to open another ends whatever the former one had
    open. So a sender that was killed, wherever, is followed by one that begins where the last
    transaction ended.

    Every method may block for half a minute, and raises LogUnavailable, Forbidden or TopicError.
    """

    def __init__(self, cluster: Cluster, name: str, partitioner: str = "murmur2_random") -> None:
        self._cluster = cluster
        self._topic = cluster.topics[Topic.UPDATES]
        self._name = name
        self._properties = {
            **transactional(cluster, name),
            "partitioner": partitioner,
        }
        # They never subscribe: they know the group's offsets, and one lends its name to the
        # transactions. Only this one waits for offsets that are pending.
        group = {**common(cluster), "group.id": name, "enable.auto.commit": False}
        self._causes = Causes()
        self._group = Consumer(
            {**group, "error_cb": self._causes.note, "isolation.level": "read_committed"}
        )
        self._at_once = Consumer({**group, "isolation.level": "read_uncommitted"})
        self._producer: Producer | None = None
        self._refused: list[UnpublishableError] = []

    def open(self) -> None:
        """Take the name over."""
        self._producer = None
        self._require_topic()
        producer = Producer(self._properties)
        try:
            persist(
                producer.init_transactions, "starting a producer", lambda: PATIENCE, self._needs()
            )
        except (BatchAborted, ProducerLost) as lost:
            raise LogUnavailable(str(lost)) from lost
        self._producer = producer

    def positions(self, places: Sequence[Place], *, stable: bool = True) -> dict[Place, Committed]:
        """Return what is committed for these places, without those that have nothing.

        Unless `stable`, a commit whose markers are on their way is not waited for. Asked by a
        consumer: an admin client's question crashes while the coordinator loads.
        """
        asker = self._group if stable else self._at_once
        asked = [TopicPartition(*place) for place in places]
        doing = f"asking how far {self._name} is"
        read = {self._cluster.permission("READ", "topic", topic) for topic, _ in places}
        needs = (self._on_group(), *read)
        start = monotonic()
        while True:
            try:
                with sorting(doing, *needs):
                    answers = asker.committed(asked, timeout=_ANSWER_S)
            except LogUnavailable:
                # Markers may be on their way: the answer waits for what is pending.
                if monotonic() - start > PATIENCE:
                    raise
                continue
            for each in answers:
                if each.error is not None:
                    raise sort(each.error, doing, needs)
            return {
                (each.topic, each.partition): Committed(each.offset, each.metadata or "")
                for each in answers
                if each.offset >= 0
            }

    def send(
        self,
        records: Sequence[Outgoing],
        before: dict[Place, Committed],
        after: dict[Place, Committed],
    ) -> None:
        """Send records and move the positions from `before` to `after`, all or nothing.

        Where the answer to a commit was lost, the positions tell whether it stands. Raises
        Superseded if another process took the name over, and UnpublishableError if the broker
        refuses a record for good; then nothing was sent.
        """
        for attempt in range(_ATTEMPTS):
            try:
                self.transact(records, after)
            except (BatchAborted, ProducerLost) as fault:
                if _is_fence(fault):
                    raise Superseded(f"another process goes on as {self._name}") from fault
                self.open()
                found = self.positions(list(after))
                if found == after:
                    return
                if found != before:
                    raise Superseded(f"another process went on as {self._name}") from fault
                if attempt == _ATTEMPTS - 1:
                    raise LogUnavailable(str(fault)) from fault
            else:
                return

    def transact(self, records: Sequence[Outgoing], after: dict[Place, Committed]) -> None:
        """Do it once. Raises BatchAborted or ProducerLost where it is not known to stand."""
        producer = self.live()
        self._refused.clear()
        persist(
            lambda _: producer.begin_transaction(), "beginning", lambda: PATIENCE, self._needs()
        )
        try:
            for record in records:
                self.produce(record)
            _flush(producer)
        except UnpublishableError as refused:
            self._refused.append(refused)
        if self._refused:
            persist(producer.abort_transaction, "aborting", lambda: PATIENCE, self._needs())
            raise self._refused[0]
        places = [
            TopicPartition(*place, each.offset, each.metadata) for place, each in after.items()
        ]
        membership = self._group.consumer_group_metadata()
        persist(
            lambda wait: send_offsets(producer, places, membership, wait),
            "sending the position",
            lambda: PATIENCE,
            self._needs({topic for topic, _ in after}),
        )
        persist(producer.commit_transaction, "committing", lambda: PATIENCE, self._needs())

    def produce(self, record: Outgoing) -> None:
        """Hand one record over, waiting while the queue is full."""
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
                self.live().produce(self._topic, record.value, **options)  # type: ignore[arg-type]
            except BufferError:
                _make_room(self.live())
                if monotonic() - start > PATIENCE:
                    raise BatchAborted("the producer's queue stayed full") from None
            except KafkaException as exception:
                doing = f"sending the update of key {record.key!r}"
                raise sort_producer(exception.args[0], doing, self._needs()) from exception
            else:
                return

    def live(self) -> Producer:
        """Return the producer. Raises ProducerLost before `open`."""
        if self._producer is None:
            raise ProducerLost("there is no producer yet")
        return self._producer

    def close(self) -> None:
        """Let go; an open transaction is left to time out or to be fenced."""
        self._group.close()
        self._at_once.close()
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _needs(self, positions: Iterable[str] = ()) -> Iterator[Permission]:
        """Yield what sending must be allowed; of topics, what the brokers do not allow."""
        yield self._cluster.permission("WRITE", "transactional id", self._name)
        yield self._on_group()
        read = [self._cluster.permission("READ", "topic", each) for each in positions]
        yield from denied(self._cluster, [self._cluster.on_topic(Topic.UPDATES, "WRITE"), *read])

    def _on_group(self) -> Permission:
        return self._cluster.permission("READ", "group", self._name)

    def _require_topic(self) -> None:
        doing = f"looking for the topic {self._topic}"
        needed = self._cluster.on_topic(Topic.UPDATES, "WRITE")
        with self._causes.explaining(self._group.poll), sorting(doing, needed):
            found = self._group.list_topics(self._topic, timeout=PATIENCE)
        error = found.topics[self._topic].error
        if error is not None:
            raise sort(error, doing, [needed])

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and is_record_level(error):
            self._refused.append(
                UnpublishableError(
                    f"the broker refuses the update of key {message.key()!r}: "
                    f"{error.str()} ({error.name()})",
                    hint="Run `session-processor topics check`, or leave the update out.",
                )
            )


def _is_fence(fault: BaseException) -> bool:
    """Whether Kafka's own error, however deep below, says that another producer has the id."""
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, KafkaException) and cause.args[0].code() in _FENCED:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _make_room(producer: Producer) -> None:
    """Let the queue run down for a moment. Raises ProducerLost as `_flush` does."""
    try:
        producer.poll(0.05)
    except (KafkaException, SystemError) as fatal:
        raise ProducerLost(f"sending updates: {fatal.__cause__ or fatal}") from fatal


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
