"""One client in the group: what its callbacks say of the group and of the brokers."""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.errors import ConfigError, ProcessorError
from processor.kafka.clients import Cluster, group_member, has_joined
from processor.kafka.faults import Causes, sorting
from processor.ports.log import LogUnavailable, Membership, Rebalance, Topic

_ANSWER_S: Final = 1.0
_ASSIGN_S: Final = 3.0
"""The same for all partitions of an assignment: a leader that keeps silent may have many."""
_OWN_ID: Final = "group.instance.id"
_RELEASE_S: Final = 5.0
"""How long a member with an id of its own may take to leave before another takes the id."""

Told = Callable[[set[int]], object]
"""Is told of partitions, within a call of the client."""


class GroupMember:
    """Its `join` subscribes to the input; the first calls of the client join.

    What is assigned is paused. Callbacks run inside the client's calls. An exception in one would
    make the client skip records, so it is kept for `raise_kept`.
    """

    def __init__(self, cluster: Cluster, on_assigned: Told, on_revoked: Told) -> None:
        self._topic = cluster.topics[Topic.UPDATES]
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._assigned: set[int] = set()
        self._news: Rebalance | None = None
        self._kept: Exception | None = None
        self._connection_error: str | None = None
        self._causes = Causes()
        self.confirmed: Membership | None = None
        """What `Subscription.confirmed` is to return."""
        self._has_own_id = _OWN_ID in cluster.properties
        with sorting("making a member of the group"):
            self.consumer = Consumer({**group_member(cluster), "error_cb": self._on_error})

    def join(self) -> None:
        """Subscribe: from here on there must be no other member with the same id."""
        with sorting("subscribing"):
            self.consumer.subscribe(
                [self._topic],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )

    def membership(self) -> Membership | None:
        """Return the group metadata; with KIP-848 there is a member id before one has joined."""
        membership: bytes = self.consumer.consumer_group_metadata()
        return membership if self.consumer.memberid() and has_joined(membership) else None

    def rebalance(self) -> Rebalance | None:
        """Return what changed, once."""
        news, self._news = self._news, None
        return news

    def raise_kept(self) -> None:
        """Raise what a callback met."""
        if self._kept is not None:
            error, self._kept = self._kept, None
            raise error

    def connection_error(self) -> str | None:
        """Ask the brokers, if the client reported that all of them were down."""
        if self._connection_error is not None:
            with suppress(KafkaException):
                self.consumer.list_topics(self._topic, timeout=_ANSWER_S)
                self._connection_error = None
                self._causes.forget()
        return self._connection_error and (self._causes.last() or self._connection_error)

    def leave(self) -> None:
        """Leave the group."""
        with sorting("leaving the group"):
            self.consumer.close()

    def abandon(self) -> Rebalance:
        """Leave the group beside whatever follows, and say nothing more; return what that revokes.

        A client that is stuck may take long to close.
        """
        before = self.rebalance() or Rebalance(frozenset(), frozenset())
        revoked = before.revoked | self._assigned
        self._on_assigned = self._on_revoked = _nobody

        def leave() -> None:
            with suppress(LogUnavailable, ProcessorError):
                self.leave()

        leaving = Thread(target=leave, daemon=True)
        leaving.start()
        if self._has_own_id:
            # With KIP-848, who comes with an id that is not released is refused for good.
            leaving.join(_RELEASE_S)
        return Rebalance(frozenset(), revoked)

    def _held_back(self, partition: int) -> int:
        """Return where an assigned partition stands until `resume`: its end, as a number.

        A fetch may start before the pause takes hold: there it finds nothing. (The logical end is
        an open question to the broker, and its answer may overtake a later assignment: seen.)
        """
        try:
            place = TopicPartition(self._topic, partition)
            known = self.consumer.get_watermark_offsets(place, timeout=_ANSWER_S)
        except KafkaException:
            return 0  # what becomes of a fetch there is ignored while the partition is paused
        return known[1] if known else 0

    def _on_error(self, error: KafkaError) -> None:
        self._causes.note(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._connection_error = error.str()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            numbers = {each.partition for each in partitions}
            until = monotonic() + _ASSIGN_S
            for each in partitions:
                each.offset = self._held_back(each.partition) if monotonic() < until else 0
            consumer.incremental_assign(partitions)
            consumer.pause(partitions)
            self._assigned |= numbers
            self._on_assigned(numbers)
            self._note(assigned=numbers, revoked=set())
        except Exception as error:  # noqa: BLE001  kept for `raise_kept`
            self._kept = _sorted(error)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            numbers = {each.partition for each in partitions}
            self._assigned -= numbers
            self._on_revoked(numbers)
            self._note(assigned=set(), revoked=numbers)
            consumer.incremental_unassign(partitions)
        except Exception as error:  # noqa: BLE001  kept for `raise_kept`
            self._kept = _sorted(error)

    def _note(self, assigned: set[int], revoked: set[int]) -> None:
        self.confirmed = None
        before = self._news or Rebalance(frozenset(), frozenset())
        self._news = Rebalance(
            frozenset((before.assigned - revoked) | assigned),
            frozenset(before.revoked | revoked),
        )


def is_refused(error: KafkaError) -> bool:
    """Whether the client gives up for good: it tells that once, among the messages."""
    return error.fatal() or bool(error.code() == KafkaError._FATAL)  # noqa: SLF001  librdkafka's form


def refused(error: KafkaError) -> ConfigError:
    """Return what such an error means."""
    return ConfigError(
        f"the group does not take this member any more: {error.str()} ({error.name()})",
        hint=f"Mend PROCESSOR_KAFKA (a {_OWN_ID} is one process's own). With "
        "group.protocol=consumer, that of a killed process is free after its session, 45 seconds.",
    )


def _nobody(_partitions: set[int]) -> None:
    """Stands for a subscription that has another member now."""


def _sorted(error: Exception) -> Exception:
    return (
        error if isinstance(error, ProcessorError) else LogUnavailable(f"in a rebalance: {error}")
    )
