"""The end of a transaction that arrives while the next one is open (ADR 14).

`LATE_ENDS` is how many are late under load, `LATE_ENDS_KAFKA` the version of the broker.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random, SystemRandom

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from late_ends import (
    ADD_OFFSETS_TO_TXN,
    END_TXN,
    PRODUCE,
    TXN_OFFSET_COMMIT,
    LateEnds,
    Moment,
)
from servers import Names, Places, RedisAddress
from slow_proxy import serving
from system.deployment import Deployment
from system.process import eventually

from processor.demo.traffic import updates
from processor.local.java import KAFKA_VERSION
from processor.local.kafka import LocalKafka
from processor.local.ports import free_port

LATE = int(os.environ.get("LATE_ENDS", "10"))
MOMENTS = (
    *(Moment(PRODUCE), Moment(PRODUCE, 2), Moment(PRODUCE, 3)),
    *(Moment(ADD_OFFSETS_TO_TXN), Moment(TXN_OFFSET_COMMIT)),
)
KINDS = (END_TXN, END_TXN, END_TXN, TXN_OFFSET_COMMIT, ADD_OFFSETS_TO_TXN)
"""What is late: an end, or a step on the way to it."""
TAKEN = 0
"""Kafka's error code for no error."""


@pytest.fixture(scope="module")
def proxy(places: Places) -> Iterator[LateEnds]:
    port = free_port()
    with serving(LateEnds(port)) as made:
        server = LocalKafka.start(
            places.guarded("late-ends-kafka"),
            port,
            version=os.environ.get("LATE_ENDS_KAFKA", KAFKA_VERSION),
            properties={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{made.port}"},
        )
        yield made
        server.kill()


@pytest.fixture
def deployment(
    proxy: LateEnds, valkey: RedisAddress, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    with Deployment(f"127.0.0.1:{proxy.port}", valkey.url, names, tmp_path) as made:
        yield made


@pytest.fixture
def producer(deployment: Deployment) -> Producer:
    """A producer as any: nothing is done about ends that are late."""
    made = Producer({**deployment.client, "transactional.id": deployment.names.group})
    made.init_transactions(30)
    return made


def send(producer: Producer, deployment: Deployment, key: bytes) -> None:
    """Begin a transaction, and have the broker take a record."""
    producer.begin_transaction()
    producer.produce(deployment.names.sessions, b"value", key, 0)
    assert producer.flush(30) == 0


def keys(deployment: Deployment) -> list[bytes | None]:
    return [each.key for each in deployment.read(deployment.names.sessions)[0]]


def test_kafka_takes_a_late_commit_for_one_of_the_next_transaction(
    proxy: LateEnds, deployment: Deployment, producer: Producer
) -> None:
    """What was to be aborted is committed."""
    send(producer, deployment, b"first")
    proxy.cut()
    producer.commit_transaction(30)
    assert proxy.holds.is_set()
    send(producer, deployment, b"half of the second")
    assert proxy.deliver() == TAKEN
    assert keys(deployment) == [b"first", b"half of the second"]


def test_kafka_takes_a_late_abort_for_one_of_the_next_transaction(
    proxy: LateEnds, deployment: Deployment, producer: Producer
) -> None:
    """The records are aborted; the offsets that say that they were published are committed."""
    send(producer, deployment, b"first")
    proxy.cut()
    producer.abort_transaction(30)
    assert proxy.holds.is_set()
    send(producer, deployment, b"second")
    assert proxy.deliver() == TAKEN
    group = Consumer({**deployment.client, "group.id": deployment.names.group})
    offsets = [TopicPartition(deployment.names.updates, 0, 7)]
    producer.send_offsets_to_transaction(offsets, group.consumer_group_metadata(), 30)
    producer.commit_transaction(30)
    group.close()
    eventually("the offset is committed", lambda: deployment.committed()[0] == offsets[0].offset)
    assert keys(deployment) == []


def test_late_ends_change_nothing(proxy: LateEnds, deployment: Deployment) -> None:
    """Under load, at drawn moments: each finds that its transactional id does not go on."""
    seed = SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")  # noqa: T201  to repeat it
    chance = Random(seed)
    stream = updates(1_000_000, seed=seed, partition=deployment.partition)
    before = len(proxy.answers)
    process = deployment.run(max_batch="200")
    process.await_log("partition ready", times=4)
    for _ in range(LATE):
        proxy.cut(chance.choice(MOMENTS), chance.choice(KINDS))

        def arrived() -> bool:
            deployment.produce(islice(stream, 40))
            return proxy.arrived.wait(0.1) or process.ended()

        eventually("one is late", arrived)
    deployment.await_processed()
    process.terminate()
    deployment.assert_exact()
    assert len(proxy.answers) - before == LATE
    assert process.log.count("may arrive late") == LATE
