"""What publishing says of a record that the brokers refuse for good, on a real broker."""

import random

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from servers import KafkaAddress, Names
from system.process import eventually

from processor.errors import UnpublishableError
from processor.kafka import producer
from processor.kafka.clients import MAX_REQUEST_BYTES, Cluster, RecordLimits
from processor.kafka.publication import KafkaPublication
from processor.kafka.topics import states
from processor.ports.log import Outgoing, ProducerLost, Topic

from . import cluster_of

LIMIT = 2_000


@pytest.fixture
def publication(kafka: KafkaAddress, names: Names) -> KafkaPublication:
    """A producer whose output topic takes small records alone, which `run` would refuse."""
    cluster = cluster_of(kafka, names)
    admin = AdminClient(dict(cluster.properties))
    config = {"max.message.bytes": str(LIMIT)}
    for future in admin.create_topics(
        [NewTopic(cluster.topics[Topic.SESSIONS], 2, 1, config=config)]
    ).values():
        future.result(10)
    eventually("the topic is seen", lambda: Topic.SESSIONS in states(cluster))
    made = KafkaPublication(cluster, lambda: False)
    made.replace()
    return made


def snapshot(key: bytes, size: int) -> Outgoing:
    value = random.Random(size).randbytes(size)  # lz4 makes nothing of it
    return Outgoing(Topic.SESSIONS, 0, 1_700_000_000_000, key, value, ())


def sent_until_refused(publication: KafkaPublication) -> None:
    """Send a record that is too large, then small ones until its fate is known."""
    publication.begin()
    publication.send([snapshot(b"large", 3 * LIMIT)])

    def refused() -> bool:
        publication.send([snapshot(b"small", 10)])
        return False

    eventually("a part is refused", refused)


def test_a_record_of_an_earlier_part_that_is_refused_for_good_is_named(
    publication: KafkaPublication,
) -> None:
    """The part after it meets a transaction that takes no more; that tells nothing by itself."""
    with pytest.raises(UnpublishableError, match="b'large'"):
        sent_until_refused(publication)
    publication.abort()
    publication.close()


def test_many_small_records_go_in_batches_that_a_small_topic_takes(
    kafka: KafkaAddress, names: Names, publication: KafkaPublication
) -> None:
    publication.close()
    small = KafkaPublication(
        cluster_of(kafka, names), lambda: False, RecordLimits(MAX_REQUEST_BYTES, LIMIT)
    )
    small.replace()
    small.begin()
    small.send([snapshot(b"%d" % each, 200 + each) for each in range(200)])
    assert small.flush()[0] >= 200
    small.abort()
    small.close()


class _Hasty:
    """A producer that says of its records that all are delivered, and reports none."""

    def __init__(self, _properties: dict[str, object], logger: object) -> None: ...

    def init_transactions(self, _seconds: float) -> None: ...

    def begin_transaction(self) -> None: ...

    def produce(self, *_arguments: object, **_more: object) -> None: ...

    def flush(self, _seconds: float) -> int:
        return 0


def test_a_flush_without_each_partitions_report_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without it nobody knows the output's next offset, which is committed with the input's."""
    monkeypatch.setattr(producer, "Producer", _Hasty)
    publication = KafkaPublication(
        Cluster({}, "group", dict.fromkeys(Topic, "topic")), lambda: False
    )
    publication.replace()
    publication.begin()
    assert publication.flush() == {}
    publication.send([snapshot(b"any", 10)])
    with pytest.raises(ProducerLost, match="before each record"):
        publication.flush()
