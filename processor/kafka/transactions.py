"""A source that is sent once: its records, and how far it was sent, in the same transactions."""

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Final, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.errors import UnpublishableError
from processor.kafka.clients import Cluster, common, transactional
from processor.kafka.faults import Causes, sort, sorting
from processor.kafka.producer import PATIENCE, Role, TransactionalProducer
from processor.ports.log import (
    BatchAborted,
    Committed,
    LogUnavailable,
    Outgoing,
    ProducerLost,
    Topic,
)

_ATTEMPTS: Final = 3
_ANSWER_S: Final = 2.0
_FENCED: Final = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED})  # noqa: SLF001


class Superseded(LogUnavailable):
    """Another process goes on under the name; nothing more is sent by this one."""


class Transacting(Protocol):
    """What `send_once` asks of the brokers; `Transactions` says what each does."""

    def open(self) -> None:
        """Take the name over."""

    def positions(self, partitions: Iterable[int], *, stable: bool = True) -> dict[int, Committed]:
        """Return what is committed for these partitions."""

    def transact(self, records: Sequence[Outgoing], after: Mapping[int, Committed]) -> None:
        """Send records and commit positions, once."""


class Transactions:
    """Sends to the input topic under a name of its own.

    The name is a transactional id, and a group whose offsets are the positions. The brokers let
    only one sender at a time go on under it: to open another ends whatever the former one had
    open. So a sender that was killed, wherever, is followed by one that begins where the last
    transaction ended.

    Every method may block for half a minute, and raises LogUnavailable, Forbidden or TopicError.
    """

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        source: Topic = Topic.UPDATES,
        partitioner: str = "murmur2_random",
    ) -> None:
        """Take the topic whose partitions the positions are of, and one of librdkafka's ways."""
        self._cluster = cluster = cluster._replace(group=name)
        self._source = source
        self._properties = {
            **transactional(cluster, name),
            # The input is another's topic: nothing is known of its limit, which holds for batches.
            "batch.size": 16_384,
            "partitioner": partitioner,
        }
        ids = cluster.permission("WRITE", "transactional id", name)
        self._role = Role(ids, [Topic.UPDATES], source)
        # They never subscribe: they know the group's offsets, and one lends its name to the
        # transactions. Only this one waits for offsets that are pending.
        group = {**common(cluster), "group.id": name, "enable.auto.commit": False}
        self._causes = Causes()
        self._group = Consumer(
            {**group, "error_cb": self._causes.note, "isolation.level": "read_committed"}
        )
        self._at_once = Consumer({**group, "isolation.level": "read_uncommitted"})
        self._producer: TransactionalProducer | None = None

    def open(self) -> None:
        """Take the name over."""
        self._producer = None
        self._require_topic()
        self._producer = TransactionalProducer(self._cluster, self._properties, self._role)

    def positions(self, partitions: Iterable[int], *, stable: bool = True) -> dict[int, Committed]:
        """Return what is committed for these partitions, without those that have nothing.

        Unless `stable`, a commit whose markers are on their way is not waited for. Asked by a
        consumer: an admin client's question crashes while the coordinator loads.
        """
        cluster = self._cluster
        asker = self._group if stable else self._at_once
        asked = [TopicPartition(cluster.topics[self._source], each) for each in partitions]
        doing = f"asking how far {cluster.group} is"
        needs = cluster.on_group("READ"), cluster.on_topic(self._source, "READ")
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
                each.partition: Committed(each.offset, each.metadata or "")
                for each in answers
                if each.offset >= 0
            }

    def send(
        self,
        records: Sequence[Outgoing],
        before: Mapping[int, Committed],
        after: Mapping[int, Committed],
    ) -> None:
        """Send as `send_once` does."""
        send_once(self, self._cluster.group, records, before, after)

    def transact(self, records: Sequence[Outgoing], after: Mapping[int, Committed]) -> None:
        """Do it once. Raises BatchAborted or ProducerLost where it is not known to stand."""
        producer = self.live()
        producer.begin(name_each=True)
        try:
            producer.send(records)
            producer.flush()
        except UnpublishableError:
            producer.abort()
            raise
        producer.commit(after, self._group.consumer_group_metadata())

    def live(self) -> TransactionalProducer:
        """Return the producer. Raises ProducerLost before `open`."""
        if self._producer is None:
            raise ProducerLost("there is no producer yet")
        return self._producer

    def close(self) -> None:
        """Let go; an open transaction is left to time out or to be fenced."""
        self._group.close()
        self._at_once.close()
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def _require_topic(self) -> None:
        topic = self._cluster.topics[Topic.UPDATES]
        doing = f"looking for the topic {topic}"
        needed = self._cluster.on_topic(Topic.UPDATES, "WRITE")
        with self._causes.explaining(self._group.poll), sorting(doing, needed):
            found = self._group.list_topics(topic, timeout=PATIENCE)
        error = found.topics[topic].error
        if error is not None:
            raise sort(error, doing, [needed])


def send_once(
    to: Transacting,
    name: str,
    records: Sequence[Outgoing],
    before: Mapping[int, Committed],
    after: Mapping[int, Committed],
) -> None:
    """Send records and move the positions from `before` to `after`, all or nothing.

    Where the answer to a commit was lost, the positions tell whether it stands. Raises Superseded
    if another process took the name over, and UnpublishableError if the broker refuses a record
    for good; then nothing was sent.
    """
    for attempt in range(_ATTEMPTS):
        try:
            to.transact(records, after)
        except (BatchAborted, ProducerLost) as fault:
            if _is_fence(fault):
                raise Superseded(f"another process goes on as {name}") from fault
            to.open()
            found = to.positions(after)
            if found == after:
                return
            if found != before:
                raise Superseded(f"another process went on as {name}") from fault
            if attempt == _ATTEMPTS - 1:
                raise LogUnavailable(str(fault)) from fault
        else:
            return


def _is_fence(fault: BaseException) -> bool:
    """Whether Kafka's own error, however deep below, says that another producer has the id."""
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, KafkaException) and cause.args[0].code() in _FENCED:
            return True
        cause = cause.__cause__ or cause.__context__
    return False
