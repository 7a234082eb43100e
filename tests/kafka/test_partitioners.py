"""Which partitioner chose: against what clients of several languages did, and librdkafka itself."""

import random
from itertools import combinations

import pytest
from confluent_kafka import KafkaError, Message, Producer
from servers import KafkaAddress, Names

from processor.cli.topics import verdict_told
from processor.kafka.partitioners import (
    PARTITIONERS,
    Partitioner,
    by_crc32,
    by_fnv1a,
    by_murmur2,
    fit,
    murmur2,
)
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
        ("fnv1a", by_fnv1a),
        ("fnv1a_random", by_fnv1a),
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


# What clients of other languages chose for these keys, in a topic of twelve partitions.
ASKED = [*(f"1:session-{number}" for number in range(8)), "7:cart-17", "1:\u00fc"]
ASKED.append("2147483647:a-rather-long-integration-id")


@pytest.mark.parametrize(
    ("name", "clients", "chosen"),
    [
        (
            "murmur2",
            "kafkajs 2.2.4, franz-go 1.22.3, kafka-go 0.4.51 Murmur2Balancer",
            [5, 1, 7, 1, 6, 6, 3, 1, 5, 9, 11],
        ),
        (
            "crc32",
            "kafka-go CRC32Balancer, Sarama 1.61.1 NewConsistentCRCHashPartitioner",
            [3, 5, 7, 5, 10, 4, 2, 0, 5, 8, 8],
        ),
        (
            "fnv1a",
            "Sarama NewHashPartitioner, kafka-go Hash",
            [9, 8, 11, 10, 1, 0, 3, 2, 1, 7, 7],
        ),
        (
            "fnv1a-reference",
            "Sarama NewReferenceHashPartitioner, kafka-go ReferenceHash",
            [11, 0, 9, 10, 7, 8, 5, 6, 1, 1, 1],
        ),
        (
            "kafkajs-legacy",
            "kafkajs 2.2.4 LegacyPartitioner",
            [4, 5, 0, 6, 5, 10, 11, 7, 4, 0, 6],
        ),
    ],
)
def test_clients_choose_the_same(name: Partitioner, clients: str, chosen: list[int]) -> None:
    assert [PARTITIONERS[name](key.encode(), 12) for key in ASKED] == chosen, clients


KEYS = [f"1:session-{number}".encode() for number in range(200)]
JAVA = [(key, by_murmur2(key, 12)) for key in KEYS]
LIBRDKAFKA = [(key, by_crc32(key, 12)) for key in KEYS]


@pytest.mark.parametrize("name", list(PARTITIONERS))
def test_keys_tell_their_partitioner(name: Partitioner) -> None:
    verdict = fit([(key, PARTITIONERS[name](key, 12)) for key in KEYS], 12)
    assert (verdict.fit, verdict.fitting, verdict.counts[name]) == (name, (name,), 200)
    assert verdict_told(verdict).startswith("200 recent keys fit ")


@pytest.mark.parametrize("pair", list(combinations(PARTITIONERS, 2)))
def test_two_producers_of_different_keys_are_mixed(pair: tuple[Partitioner, Partitioner]) -> None:
    one, other = ([(key, PARTITIONERS[name](key, 12)) for key in KEYS] for name in pair)
    verdict = fit(one[:100] + other[100:], 12)
    assert (verdict.fit, verdict.fitting) == ("mixed", pair)
    assert verdict_told(verdict).startswith("WARNING: of 200 recent keys, ")


def test_keys_in_two_partitions_are_named() -> None:
    verdict = fit(JAVA + LIBRDKAFKA, 12)
    assert verdict.fit == "mixed"
    assert len(verdict.split) == 5
    assert all(name.startswith("1:session-") for name in verdict.split)


def test_another_partitioner_is_neither() -> None:
    assert fit([(key, len(key) % 12) for key in KEYS], 12).fit == "neither"
    turns = [(key, turn % 12) for turn, key in enumerate(KEYS * 2)]
    verdict = fit(turns, 12)
    assert verdict.fit == "neither"
    assert "without a Balancer" in verdict_told(verdict)


def test_what_tells_nothing_says_so() -> None:
    assert fit([], 12).fit == "unknown"
    verdict = fit([(key, 0) for key in KEYS], 1)
    assert (verdict.fit, len(verdict.fitting)) == ("either", len(PARTITIONERS))
