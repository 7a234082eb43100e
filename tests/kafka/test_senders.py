"""What sending to the input says of a record that the brokers refuse for good, on a real broker."""

import random
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from servers import KafkaAddress, Names
from system.process import eventually

from processor.errors import UnpublishableError
from processor.kafka.producer import TransactionalProducer
from processor.kafka.senders import RedriveSender
from processor.kafka.topics import states
from processor.ports.log import NO_TIMESTAMP, Committed, Outgoing, Topic

from . import cluster_of

LIMIT = 2_000
hand_over = TransactionalProducer.send


def update(key: bytes, size: int) -> Outgoing:
    value = random.Random(size).randbytes(size)  # lz4 makes nothing of it
    return Outgoing(Topic.UPDATES, 0, NO_TIMESTAMP, key, value, ())


def until_refused(producer: TransactionalProducer, records: Sequence[Outgoing]) -> None:
    """Hand records over, then small ones until the fate of the first is known."""
    hand_over(producer, records)

    def refused() -> bool:
        hand_over(producer, [update(b"small", 10)])
        return False

    eventually("a record is refused", refused)


@pytest.fixture
def sender(kafka: KafkaAddress, names: Names) -> Iterator[RedriveSender]:
    """A redrive whose input topic takes small records alone."""
    cluster = cluster_of(kafka, names)
    admin = AdminClient(dict(cluster.properties))
    topics = [
        NewTopic(cluster.topics[Topic.UPDATES], 1, 1, config={"max.message.bytes": str(LIMIT)}),
        NewTopic(cluster.topics[Topic.DEAD_LETTERS], 1, 1),
    ]
    for future in admin.create_topics(topics).values():
        future.result(10)
    eventually("the topics are seen", lambda: len(states(cluster)) == len(topics))
    made = RedriveSender(cluster, "night")
    made.open()
    yield made
    made.close()


def test_a_record_that_is_refused_while_others_are_handed_over_is_named(
    sender: RedriveSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those after it meet a transaction that takes no more; that tells nothing by itself.

    A redrive halves its batch where it is told so, and the next transaction is not held up by it.
    """
    first, second = Committed(0, "sent 0"), Committed(1, "sent 1")
    sender.send((), {}, {0: first})
    monkeypatch.setattr(TransactionalProducer, "send", until_refused)
    with pytest.raises(UnpublishableError, match="b'large'"):
        sender.send([update(b"large", 3 * LIMIT)], {0: first}, {0: second})
    monkeypatch.undo()
    assert sender.positions([0]) == {0: first}
    sender.send([update(b"small", 10)], {0: first}, {0: second})
    assert sender.positions([0]) == {0: second}
