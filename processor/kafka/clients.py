"""The librdkafka properties of every client, each with its reason."""

from collections.abc import Callable, Mapping
from sys import byteorder
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

from processor.config.kafka import CLASSIC_ONLY
from processor.kafka.permissions import Operation, Permission, ResourceKind
from processor.ports.log import Topic

Properties = Mapping[str, str | int | float | bool]

TRANSACTION_TIMEOUT_MS: Final = 15_000
MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
_BATCH_OVERHEAD: Final = 1_024
"""What a batch has besides its records, generously."""


class RecordLimits(NamedTuple):
    """What the topics that a producer publishes to take, by their `max.message.bytes`."""

    largest: int = MAX_REQUEST_BYTES
    """The most that one of them takes."""
    smallest: int = MAX_REQUEST_BYTES
    """The most that each of them takes: of a batch, too, since a broker refuses it as one."""


class Cluster(NamedTuple):
    """Where Kafka is and what this deployment calls its parts."""

    properties: Properties
    """What the user sets for every client, `bootstrap.servers` among it."""
    group: str
    topics: Mapping[Topic, str]
    disconnected: Callable[[], object] = lambda: None
    """Is called for each connection that the service's producer loses."""

    def on_topic(self, topic: Topic, operation: Operation) -> Permission:
        """Return the permission to do something with a topic."""
        return self.permission(operation, "topic", self.topics[topic])

    def to_read(self, topic: Topic) -> tuple[Permission, Permission]:
        """Return the permissions to read a topic outside of the group.

        The client looks for the group's coordinator all the same.
        """
        return self.on_topic(topic, "READ"), self.on_group("DESCRIBE")

    def on_group(self, operation: Operation) -> Permission:
        """Return the permission to do something with the group."""
        return self.permission(operation, "group", self.group)

    def on_ids(self) -> Permission:
        """Return the permission to publish in transactions, and to fence others that do."""
        return self.permission("WRITE", "transactional id", f"{self.group}-*")

    def permission(self, operation: Operation, kind: ResourceKind, name: str) -> Permission:
        """Return a permission of the user that these properties connect as."""
        return Permission(operation, kind, name, str(self.properties.get("sasl.username", "")))


def _quiet(_error: KafkaError) -> None:
    """Leave connection errors to the calls that meet them: they say what they could not do."""


def common(cluster: Cluster) -> dict[str, object]:
    """Return the properties of every client."""
    return {
        # An idle broker connection that a firewall dropped is found by keepalive, not by a timeout.
        "socket.keepalive.enable": True,
        # A small request is not held back until the answer to the one before it is acknowledged.
        "socket.nagle.disable": True,
        "reconnect.backoff.max.ms": 2_000,
        # What goes wrong is told by the call that meets it, in the log's own form.
        "log_level": 2,
        "error_cb": _quiet,
        **cluster.properties,
    }


def _reader(cluster: Cluster) -> dict[str, object]:
    """Return what both kinds of consumers have."""
    return {
        "fetch.max.bytes": MAX_REQUEST_BYTES,
        # The default of a second starves a loop that empties a small queue fast.
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 100,
        **common(cluster),
        "group.id": cluster.group,
        # Offsets are committed by the producer's transactions.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        # A byte that a disk or a network changed is found before it is folded, and what cannot be
        # unpacked is known to be what its producer sent.
        "check.crcs": True,
        # The end of a partition is known by its event: markers at the end have no records.
        "enable.partition.eof": True,
    }


def group_member(cluster: Cluster) -> dict[str, object]:
    """Return the properties of the live consumer."""
    properties: dict[str, object] = {
        # A dead owner's partitions move after this long; brokers allow no less by default.
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 1_500,
        # What a member keeps in a rebalance it goes on processing.
        "partition.assignment.strategy": "cooperative-sticky",
        "max.poll.interval.ms": 120_000,
        # Memory: what is fetched ahead of the loop, over all partitions (and as much again for what
        # the client notes of each).
        "queued.max.messages.kbytes": 8_192,
        "fetch.message.max.bytes": 1_048_576,
        **_reader(cluster),
        # An offset outside the log is for an operator to decide on.
        "auto.offset.reset": "error",
    }
    if properties.get("group.protocol") == "consumer":
        for name in CLASSIC_ONLY:
            properties.pop(name, None)
    return properties


def has_joined(membership: bytes) -> bool:
    """Whether the client's group metadata names a generation, or a member epoch (KIP-848).

    It is opaque by its documentation: of a form that is not known, it is believed.
    """
    prefix = b"CGMDv2:"
    begin = len(prefix)
    generation = int.from_bytes(membership[begin : begin + 4], byteorder, signed=True)
    return not membership.startswith(prefix) or generation >= 0


def scanner(cluster: Cluster, kib_ahead: int = 16_384) -> dict[str, object]:
    """Return the properties of a reader outside of the group, and how much it fetches ahead."""
    return {
        "queued.max.messages.kbytes": kib_ahead,
        "fetch.message.max.bytes": kib_ahead * 1024 // 4,
        **_reader(cluster),
        # A compacted or expired start reads from what is left.
        "auto.offset.reset": "earliest",
    }


NO_LIMITS: Final = RecordLimits()


def idempotent(cluster: Cluster) -> dict[str, object]:
    """Return the properties of a producer that sends outside of transactions."""
    return {
        "linger.ms": 5,
        # The input is another's topic: nothing is known of its limit, which holds for batches.
        "batch.size": 16_384,
        "compression.type": "lz4",
        "message.timeout.ms": 30_000,
        "queue.buffering.max.messages": 20_000,
        **common(cluster),
        "enable.idempotence": True,
    }


def transactional(
    cluster: Cluster, identity: str, limits: RecordLimits = NO_LIMITS
) -> dict[str, object]:
    """Return the properties of a producer under a transactional id."""
    return {
        # A transaction whose owner's id nobody knows ends by itself after this long.
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        # A batch is flushed when it is complete; until then, larger requests cost less.
        "linger.ms": 5,
        # The client does not split a batch that is refused. A record that is larger goes alone.
        "batch.size": min(1_048_576, max(1, limits.smallest - _BATCH_OVERHEAD)),
        "compression.type": "lz4",
        # The limits of a record are the topics'; they are checked at the start.
        "message.max.bytes": max(limits.largest, MAX_REQUEST_BYTES),
        "queue.buffering.max.kbytes": 131_072,
        "queue.buffering.max.messages": 200_000,
        "partitioner": "murmur2_random",
        **common(cluster),
        "transactional.id": identity,
    }
