"""How records are handed to the client: what it is called with, and what follows its refusals."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from processor.errors import ProcessorError
from processor.kafka.clients import Cluster
from processor.kafka.produce_calls import of_records, of_snapshots
from processor.kafka.producer import TransactionalProducer, _Transaction
from processor.ports.log import NO_TIMESTAMP, Outgoing, Topic
from processor.ports.snapshots import Snapshots

TOPICS = {topic: topic.value for topic in Topic}


class Client:
    """A producer that is full before each second record, and refuses one under a bad key."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.full = True

    def poll(self, _seconds: float) -> None:
        self.full = False

    def produce(self, *call: Any) -> None:
        if call[2] == b"bad":
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        if self.full and len(self.sent) % 2:
            raise BufferError
        self.full = True
        self.sent.append(call)


def producer(client: Client) -> TransactionalProducer:
    made = TransactionalProducer.__new__(TransactionalProducer)
    made._cluster = Cluster({}, "group", TOPICS)
    made._sessions = "sessions"
    made._patience = lambda: 1.0
    made._role = SimpleNamespace(writes=TOPICS)  # type: ignore[assignment]
    made._producer = client  # type: ignore[assignment]
    made._transaction = _Transaction("sessions", name_each=False)
    return made


def snapshots(*keys: bytes) -> Snapshots:
    count = len(keys)
    return Snapshots([0] * count, [5] * count, keys, [b"v"] * count, [()] * count)


def test_each_record_is_sent_once_and_in_order_though_the_queue_is_full() -> None:
    client, keys = Client(), [b"%d" % each for each in range(7)]
    letter = Outgoing(Topic.DEAD_LETTERS, 1, 5, b"letter", b"v", [("name", b"1")])
    made = producer(client)
    made.send([letter], snapshots(*keys))
    assert [(call[0], call[2]) for call in client.sent] == [
        *(("sessions", key) for key in keys),
        ("dead-letters", b"letter"),
    ]
    reported = [call[2] for call in client.sent if call[4] is not None]
    assert reported == [keys[-1]], "the last of the output's partition alone"


def test_a_record_that_the_client_refuses_is_named() -> None:
    client = Client()
    with pytest.raises(ProcessorError, match="b'bad'"):
        producer(client).send([], snapshots(b"a", b"bad", b"c"))
    assert [call[2] for call in client.sent] == [b"a"]


def test_what_the_client_is_called_with() -> None:
    header = ("name", b"1")
    records = [
        Outgoing(Topic.CLAIMS, None, NO_TIMESTAMP, b"k", None, ()),
        Outgoing(Topic.SESSIONS, 3, 0, b"l", b"v", (header,)),
    ]
    assert of_records(records, TOPICS) == [
        ("claims", None, b"k", -1, None, None, 0, []),
        ("sessions", b"v", b"l", 3, None, None, 1, [header]),
    ]
    assert of_snapshots(snapshots(b"a"), "t") == [("t", b"v", b"a", 0, None, None, 5)]
    with pytest.raises(ValueError, match="zip"):
        of_snapshots(snapshots(b"a", b"b")._replace(values=[b"v"]), "t")
