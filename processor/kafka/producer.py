"""A transactional producer: the steps of a transaction, and what their errors mean.

`processor.kafka.publication` publishes batches with it, `processor.kafka.transactions` sends what
has a position.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import starmap
from operator import length_hint
from threading import Thread
from time import monotonic
from typing import Final, NamedTuple, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.errors import UnpublishableError
from processor.kafka.authorized import denied
from processor.kafka.clients import Cluster
from processor.kafka.disconnects import LOGGED, Disconnects
from processor.kafka.faults import is_record_level, persist, sort_producer, sorting
from processor.kafka.permissions import Permission
from processor.kafka.produce_calls import (
    KEY,
    TOPIC,
    Call,
    last_of,
    of_records,
    of_snapshots,
    report,
)
from processor.ports.log import (
    BatchAborted,
    Committed,
    LogUnavailable,
    Membership,
    Outgoing,
    ProducerLost,
    Topic,
)
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots

PATIENCE: Final = 30.0
"""Seconds that the brokers may take over one step of a transaction."""
_HANGS_S: Final = 3.0
"""Seconds past its timeout after which a call is not awaited any longer."""


class Role(NamedTuple):
    """What a producer's transactions consist of, and so what it must be allowed."""

    ids: Permission
    writes: Sequence[Topic]
    reads: Topic
    """The topic whose offsets, in the cluster's group, are committed with the records."""


class TransactionalProducer:
    """A producer under one transactional id, which has one transaction at a time.

    Each step may block for as long as `patience` tells, and raises BatchAborted, ProducerLost,
    Forbidden or TopicError; UnpublishableError, naming the record, where no attempt can send it.
    After a connection was lost while a transaction ended, it begins no other one (ADR 14).
    """

    def __init__(
        self,
        cluster: Cluster,
        properties: dict[str, object],
        role: Role,
        patience: Callable[[], float] = lambda: PATIENCE,
    ) -> None:
        """Take the id over: what its former holder has open is aborted. Raises LogUnavailable."""
        self._cluster = cluster
        self._sessions = cluster.topics.get(Topic.SESSIONS, "")
        self._role = role
        self._patience = patience
        self._transaction: _Transaction | None = None
        self._disconnects = Disconnects(properties, told=cluster.disconnected)
        with sorting("making a producer"):
            self._producer = Producer({**properties, **LOGGED}, logger=self._disconnects)
        try:
            self._persist(self._producer.init_transactions, "starting a producer")
        except (BatchAborted, ProducerLost) as lost:
            raise LogUnavailable(str(lost)) from lost

    def begin(self, *, name_each: bool) -> None:
        """Open a transaction. With `name_each` an error can name each record, at a higher cost.

        Raises ProducerLost where an end of the one before may come yet: it would be taken for this
        one's.
        """
        self._disconnects.refuse_if_late()
        self._persist(lambda _: self._producer.begin_transaction(), "beginning")
        self._transaction = _Transaction(self._sessions, name_each=name_each)

    def send(self, records: Sequence[Outgoing], snapshots: Snapshots = NO_SNAPSHOTS) -> None:
        """Hand snapshots over, then records, waiting while the queue is full."""
        transaction, output = self._open(), self._sessions
        calls, others = of_snapshots(snapshots, output), of_records(records, self._cluster.topics)
        last = last_of(calls, others, output)
        transaction.awaited.update(last)
        calls += others
        places = range(len(calls)) if transaction.name_each else last.values()
        report(calls, places, transaction.delivered)
        rest = iter(calls)
        while length_hint(rest):
            try:
                deque(starmap(self._producer.produce, rest), maxlen=0)
            except BufferError:
                self._send_when_there_is_room(calls[-1 - length_hint(rest)])
            except KafkaException as exception:
                self._raise_unsent(exception.args[0], calls[-1 - length_hint(rest)])

    def flush(self) -> dict[int, int]:
        """Wait until the brokers have each record; return the next offset of each output partition.

        Only of partitions that the transaction has snapshots of.
        """
        transaction, start = self._open(), monotonic()
        while self._flush_once():
            if monotonic() - start > self._patience():
                raise BatchAborted("the brokers did not take the batch in time")
        return transaction.flushed()

    def commit(self, offsets: Mapping[int, Committed], membership: Membership) -> None:
        """Add the offsets to the transaction, then commit it."""
        topic = self._cluster.topics[self._role.reads]
        positions = [
            TopicPartition(topic, partition, each.offset, each.metadata)
            for partition, each in offsets.items()
        ]
        with self._noticing():
            self._persist(
                lambda wait: _send_offsets(self._producer, positions, membership, wait),
                "sending offsets",
            )
            self._persist(self._producer.commit_transaction, "committing")
        self._transaction = None

    def abort(self) -> None:
        """Abort the open transaction, if there is one."""
        if self._transaction is not None:
            self._transaction = None
            with self._noticing():
                self._persist(self._producer.abort_transaction, "aborting")

    def close(self) -> None:
        """Let go; what is in the queue is purged, so that nothing is waited for."""
        self._producer.purge()

    def _open(self) -> "_Transaction":
        if self._transaction is None:
            raise ProducerLost("publishing: no transaction is open")
        return self._transaction

    def _send_when_there_is_room(self, call: Call) -> None:
        start = monotonic()
        while True:
            with self._sorting("waiting for room"):
                self._producer.poll(0.05)
            try:
                self._producer.produce(*call)
            except BufferError:
                if monotonic() - start > self._patience():
                    raise BatchAborted("the producer's queue stayed full") from None
            except KafkaException as exception:
                self._raise_unsent(exception.args[0], call)
            else:
                return

    def _flush_once(self) -> int:
        """Return how many records are still under way after a second."""
        with self._sorting("flushing"):
            return self._producer.flush(1.0)

    def _raise_unsent(self, error: KafkaError, call: Call) -> NoReturn:
        """Raise why a record was not taken.

        `_STATE` says only that the transaction takes no more records: one that was sent before met
        an error. A report may name that record, and to begin another transaction is refused with
        the cause.
        """
        if error.code() == KafkaError._STATE:  # noqa: SLF001  librdkafka's own codes have this form
            self._flush_once()
            if (refused := self._open().refused) is not None:
                raise refused
            with self._sorting("publishing"):
                self._producer.begin_transaction()
            raise ProducerLost("publishing: the transaction was not open")
        name = call[TOPIC]
        doing = f"publishing to {name} the record of key {call[KEY]!r}"
        topics = [part for part in self._role.writes if self._cluster.topics[part] == name]
        needs = [self._cluster.on_topic(each, "WRITE") for each in topics]
        raise sort_producer(error, doing, needs)

    def _persist(self, call: Callable[[float], object], doing: str) -> None:
        with self._sorting(doing):
            persist(call, doing, self._patience, self._needs())

    def _noticing(self) -> AbstractContextManager[None]:
        return self._disconnects.noticed(self._serve)

    def _serve(self, seconds: float) -> None:
        # What is wrong with the producer for good is told again, by its next step.
        with suppress(ProducerLost), self._sorting("polling"):
            self._producer.poll(seconds)

    @contextmanager
    def _sorting(self, doing: str) -> Iterator[None]:
        """Raise what the errors inside mean, also of calls that serve delivery reports."""
        try:
            yield
        except KafkaException as exception:
            raise sort_producer(exception.args[0], doing, self._needs()) from exception
        except SystemError as error:
            # confluent-kafka raises its fatal error where a delivery report returns.
            raise ProducerLost(f"{doing}: {error.__cause__ or error}") from error

    def _needs(self) -> Iterator[Permission]:
        """Yield what it must be allowed; of topics, what the brokers do not allow."""
        cluster, role = self._cluster, self._role
        yield role.ids
        yield cluster.on_group("READ")
        topics = [cluster.on_topic(each, "WRITE") for each in role.writes]
        yield from denied(cluster, [*topics, cluster.on_topic(role.reads, "READ")])


class _Transaction:
    """What has become of one transaction's records."""

    def __init__(self, output: str, *, name_each: bool) -> None:
        """Take the topic whose offsets are to be known."""
        self.name_each = name_each
        self.awaited: set[int] = set()
        """The output's partitions of which a report has to come."""
        self.refused: UnpublishableError | None = None
        self._output = output
        self._ends: dict[int, int] = {}
        self._refused_bytes = 0
        self._failed = False

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Take note of a delivery report."""
        if error is None:
            partition, offset = message.partition(), message.offset()
            if message.topic() == self._output and partition is not None and offset is not None:
                self._ends[partition] = max(self._ends.get(partition, 0), offset + 1)
            return
        self._failed = True
        if is_record_level(error) and len(message) >= self._refused_bytes:
            # What shares a request with the cause is refused with it; a larger one is likelier.
            self._refused_bytes = len(message)
            self.refused = UnpublishableError(
                f"the broker refuses for good the record of key {message.key()!r} for "
                f"{message.topic()} partition {message.partition()}: "
                f"{error.str()} ({error.name()})",
                hint="Run `session-processor topics check`: its limits must let every record pass. "
                "An update that is too large for them is to be left out.",
            )

    def flushed(self) -> dict[int, int]:
        """Return the output's next offsets, once nothing is under way any more."""
        if self.refused is not None:
            raise self.refused
        if not self._failed and not self.awaited <= self._ends.keys():
            # Seen after an abort: the client then counts fewer records than it has under way.
            raise ProducerLost("flushing: it ended before each record was with the brokers")
        return self._ends


def _send_offsets(
    producer: Producer, positions: list[TopicPartition], membership: Membership, wait: float
) -> None:
    """Send offsets, on a thread of its own: raises ProducerLost where the client hangs.

    After a broker's restart it may wait long for the group's coordinator, whatever its timeout is
    (seen with 2.16.1; librdkafka's issues 5456 and 5511). Such a producer is left behind, and goes
    when the call returns; its transaction, which nobody can commit any more, times out.
    """
    errors = list[BaseException]()

    def send() -> None:
        try:
            producer.send_offsets_to_transaction(positions, membership, wait)
        except BaseException as error:  # noqa: BLE001  raised below, on the caller's thread
            # Where nobody waits any more, its traceback would keep itself alive, and the producer.
            errors.append(error.with_traceback(None))

    thread = Thread(target=send, name="send-offsets", daemon=True)
    thread.start()
    thread.join(wait + _HANGS_S)
    if thread.is_alive():
        raise ProducerLost("sending offsets: the client does not return")
    if errors:
        raise errors.pop()  # left there, it would hold itself by its traceback, and the batch
