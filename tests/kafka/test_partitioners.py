"""Which partitioner chose: against constants of Java's tests and against librdkafka itself."""

import random

import pytest
from confluent_kafka import KafkaError, Message, Producer
from servers import KafkaAddress, Names

from processor.kafka.partitioners import by_crc32, by_murmur2, fit, murmur2
from processor.kafka.topics import create
from processor.ports.log import Topic

from . import cluster_of

PARTITIONS = 13


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        # Those that Apache Kafka's own UtilsTest has.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_javas(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("partitioner", "choose"),
    [
        ("murmur2", by_murmur2),
        ("murmur2_random", by_murmur2),
        ("consistent", by_crc32),
        ("consistent_random", by_crc32),
    ],
)
def test_librdkafka_chooses_the_same(
    kafka: KafkaAddress, names: Names, partitioner: str, choose: object
) -> None:
    cluster = cluster_of(kafka, names)
    create(cluster, 900_000, PARTITIONS)
    seen: list[tuple[bytes, int]] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None
        seen.append((message.key() or b"", message.partition() or 0))

    producer = Producer({**cluster.properties, "partitioner": partitioner})
    rng = random.Random(7)
    for length in range(1, 400):
        producer.produce(
            cluster.topics[Topic.UPDATES],
            b"",
            rng.randbytes(length % 40 + 1),
            on_delivery=delivered,
        )
    producer.flush()
    assert len(seen) == 399
    assert callable(choose)
    assert all(choose(key, PARTITIONS) == partition for key, partition in seen)


KEYS = [f"1:session-{number}".encode() for number in range(200)]
JAVA = [(key, by_murmur2(key, 12)) for key in KEYS]
LIBRDKAFKA = [(key, by_crc32(key, 12)) for key in KEYS]


def test_keys_tell_their_partitioner() -> None:
    assert fit(JAVA, 12)[:3] == ("murmur2", 200, 200)
    verdict = fit(LIBRDKAFKA, 12)
    assert (verdict.fit, verdict.crc32) == ("crc32", 200)


def test_two_producers_of_different_keys_are_mixed() -> None:
    assert fit(JAVA[:100] + LIBRDKAFKA[100:], 12).fit == "mixed"


def test_keys_in_two_partitions_are_named() -> None:
    verdict = fit(JAVA + LIBRDKAFKA, 12)
    assert verdict.fit == "mixed"
    assert len(verdict.split) == 5
    assert all(name.startswith("1:session-") for name in verdict.split)


def test_another_partitioner_is_neither() -> None:
    assert fit([(key, len(key) % 12) for key in KEYS], 12).fit == "neither"


def test_what_tells_nothing_says_so() -> None:
    assert fit([], 12).fit == "unknown"
    assert fit([(key, 0) for key in KEYS], 1).fit == "either"
