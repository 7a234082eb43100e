"""The log's protocols on either broker, with what others do there."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import pytest
from avro_bytes import COMMANDS
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from servers import KafkaAddress, Names
from system.process import eventually

from fakes.broker import FakeBroker, Transaction
from fakes.commands import FakeCommands
from fakes.hostile import spoil
from fakes.log import FakeCoordination, FakePublication, FakeScan, FakeSubscription
from processor.kafka.clients import Cluster, transactional
from processor.kafka.command_sender import CommandSender
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.publication import KafkaPublication
from processor.kafka.scan import KafkaScan
from processor.kafka.subscription import KafkaSubscription
from processor.ports.commands import Commands
from processor.ports.latest import Reading
from processor.ports.log import (
    Committed,
    Coordination,
    LogUnavailable,
    Membership,
    Outgoing,
    Publication,
    Subscription,
    Topic,
)

PARTITIONS = 2
UNPACKED_LIMIT = 53_000_000
"""Little more than the least that the client allows."""


class LogBackend(Protocol):
    """One broker with the four topics, of two partitions each."""

    def subscription(self) -> Subscription: ...

    def publication(self) -> Publication:
        """Return one that has its first producer."""

    def coordination(self) -> Coordination: ...

    def scan(self, *, uncommitted: bool = False) -> Reading: ...

    def commands(self) -> Commands: ...

    def topicless(self) -> Coordination:
        """Return one that is told of topics that are not there."""

    def feed(self, records: Sequence[Outgoing], *, marked: bool = False) -> None:
        """Write as others do; `marked`: in a transaction, which leaves its markers."""

    def spoil(self, partition: int, count: int) -> None:
        """Write a batch of so many updates that no reader can unpack."""

    def die(
        self, records: Sequence[Outgoing], offsets: Mapping[int, Committed], membership: Membership
    ) -> str:
        """Leave a transaction open with all of its parts sent; return its owner's id."""

    def expire(self, topic: Topic, partition: int, start: int) -> None:
        """Have the log begin at a later offset."""


class FakeLog:
    def __init__(self) -> None:
        self.broker = FakeBroker(PARTITIONS)

    def subscription(self) -> Subscription:
        return FakeSubscription(self.broker)

    def publication(self) -> Publication:
        publication = FakePublication(self.broker)
        publication.replace()
        return publication

    def coordination(self) -> Coordination:
        return FakeCoordination(self.broker)

    def scan(self, *, uncommitted: bool = False) -> Reading:
        return FakeScan(self.broker, uncommitted=uncommitted)

    def commands(self) -> Commands:
        return FakeCommands(self.broker)

    def topicless(self) -> Coordination:
        broker = FakeBroker(PARTITIONS)
        broker.ids.clear()
        return FakeCoordination(broker)

    def feed(self, records: Sequence[Outgoing], *, marked: bool = False) -> None:
        transaction = Transaction() if marked else None
        for record in records:
            self.broker.append(record, transaction)
        if transaction is not None:
            self.broker.open["another"] = transaction
            self.broker.end("another", commit=True)

    def spoil(self, partition: int, count: int) -> None:
        log = self.broker.logs[Topic.UPDATES][partition]
        start = len(log.entries)
        for _ in range(count):
            self.broker.append(Outgoing(Topic.UPDATES, partition, -1, b"1:a", b"", ()))
        log.unpackable.append(range(start, start + count))

    def die(
        self, records: Sequence[Outgoing], offsets: Mapping[int, Committed], membership: Membership
    ) -> str:
        del membership
        transaction = self.broker.open["dead"] = Transaction()
        for record in records:
            self.broker.append(record, transaction)
        transaction.offsets |= offsets
        return "dead"

    def expire(self, topic: Topic, partition: int, start: int) -> None:
        self.broker.logs[topic][partition].start = start


class KafkaLog:
    """Topics, a group and processes on a real broker, under one test's names."""

    def __init__(self, address: KafkaAddress, names: Names) -> None:
        self.cluster = Cluster(
            {
                "bootstrap.servers": address.bootstrap_servers,
                # What unpacks to more is what `spoil` writes.
                "receive.message.max.bytes": UNPACKED_LIMIT,
            },
            names.group,
            {
                Topic.UPDATES: names.updates,
                Topic.SESSIONS: names.sessions,
                Topic.DEAD_LETTERS: names.dead_letters,
                Topic.CLAIMS: names.claims,
            },
        )
        self._admin = AdminClient(dict(self.cluster.properties))
        self._subscriptions: list[Subscription] = []
        self._publications: list[Publication] = []
        self._commands: list[Commands] = []
        self._dead: list[Producer] = []
        # Records are years old: a broker that has run for half a minute would delete them.
        kept = {"retention.ms": "-1"}
        topics = self.cluster.topics.values()
        made = [NewTopic(name, PARTITIONS, 1, config=kept) for name in topics]
        for future in self._admin.create_topics(made).values():
            future.result()
        self._await_leaders()

    def _await_leaders(self) -> None:
        """A topic is there before its partitions answer."""
        deadline = time.monotonic() + 30
        waiting = [(topic, partition) for topic in Topic for partition in range(PARTITIONS)]
        coordination = self.coordination()
        while waiting:
            try:
                coordination.extent(*waiting[-1])
            except LogUnavailable:
                assert time.monotonic() < deadline
            else:
                waiting.pop()

    def subscription(self) -> Subscription:
        subscription = KafkaSubscription(self.cluster)
        self._subscriptions.append(subscription)
        return subscription

    def publication(self) -> Publication:
        publication = KafkaPublication(self.cluster, lambda: False)
        publication.replace()
        self._publications.append(publication)
        return publication

    def coordination(self) -> Coordination:
        return KafkaCoordination(self.cluster)

    def scan(self, *, uncommitted: bool = False) -> Reading:
        return KafkaScan(self.cluster, uncommitted=uncommitted)

    def commands(self) -> Commands:
        sender = CommandSender(self.cluster, COMMANDS)
        self._commands.append(sender)
        return sender

    def topicless(self) -> Coordination:
        absent = {topic: f"absent-{name}" for topic, name in self.cluster.topics.items()}
        return KafkaCoordination(self.cluster._replace(topics=absent))

    def feed(self, records: Sequence[Outgoing], *, marked: bool = False) -> None:
        producer = self._producer(f"{self.cluster.group}-another" if marked else None)
        self._produce(producer, records)
        if marked:
            producer.commit_transaction(10)
            # The markers are written after the answer.
            eventually("markers stand", lambda: self._none_open({each.topic for each in records}))

    def _none_open(self, topics: Iterable[Topic]) -> bool:
        asked = self.coordination()
        extents = [asked.extent(topic, each) for topic in topics for each in range(PARTITIONS)]
        return all(extent.stable_end == extent.end for extent in extents)

    def spoil(self, partition: int, count: int) -> None:
        spoil(self.cluster, partition, count, UNPACKED_LIMIT)

    def die(
        self, records: Sequence[Outgoing], offsets: Mapping[int, Committed], membership: Membership
    ) -> str:
        identity = f"{self.cluster.group}-dead"
        producer = self._producer(identity)
        self._produce(producer, records)
        positions = [
            TopicPartition(self.cluster.topics[Topic.UPDATES], partition, *committed)
            for partition, committed in offsets.items()
        ]
        producer.send_offsets_to_transaction(positions, membership, 10)
        self._dead.append(producer)
        return identity

    def expire(self, topic: Topic, partition: int, start: int) -> None:
        place = TopicPartition(self.cluster.topics[topic], partition, start)
        for future in self._admin.delete_records([place]).values():
            future.result()

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        for publication in self._publications:
            publication.close()
        for commands in self._commands:
            commands.close()
        for producer in self._dead:
            with suppress(KafkaException):
                producer.abort_transaction(5)

    def _producer(self, identity: str | None) -> Producer:
        if identity is None:
            return Producer(dict(self.cluster.properties))
        producer = Producer(transactional(self.cluster, identity))
        producer.init_transactions(10)
        producer.begin_transaction()
        return producer

    def _produce(self, producer: Producer, records: Sequence[Outgoing]) -> None:
        for topic, partition, timestamp, key, value, headers in records:
            assert partition is not None
            producer.produce(
                self.cluster.topics[topic],
                value,
                key,
                partition=partition,
                timestamp=timestamp,
                headers=list(headers),
            )
        assert producer.flush(10) == 0


@pytest.fixture
def kafka_log(kafka: KafkaAddress, names: Names) -> Iterator[KafkaLog]:
    log = KafkaLog(kafka, names)
    yield log
    log.close()


@pytest.fixture(params=["fake", pytest.param("kafka", marks=pytest.mark.servers)])
def log(request: pytest.FixtureRequest) -> LogBackend:
    """Each of the brokers that the contract is held against."""
    if request.param == "fake":
        return FakeLog()
    real: KafkaLog = request.getfixturevalue("kafka_log")
    return real
