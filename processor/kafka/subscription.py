"""The live consumer: `Subscription` on confluent-kafka."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from processor.errors import ConfigError, ProcessorError, TopicError
from processor.kafka.absence import Absence
from processor.kafka.clients import Cluster, group_member, has_joined
from processor.kafka.faults import Causes, sort, sorting
from processor.kafka.records import to_record
from processor.kafka.unreadable import BlockedPartitions, is_damaged, is_unpackable
from processor.ports.log import (
    LogUnavailable,
    Membership,
    Rebalance,
    Record,
    Topic,
)

_ANSWER_S: Final = 1.0


class KafkaSubscription:
    """A member of the group. Made, it subscribes; its first `take` calls join."""

    def __init__(self, cluster: Cluster) -> None:
        self._topic = cluster.topics[Topic.UPDATES]
        self._needs = (cluster.on_topic(Topic.UPDATES, "READ"), cluster.on_group("READ"))
        self._assigned: set[int] = set()
        self._paused: set[int] = set()
        self._news: Rebalance | None = None
        self._callback_error: Exception | None = None
        self._connection_error: str | None = None
        self._causes = Causes()
        self._absence = Absence(self._topic)
        self._confirmed: Membership | None = None
        self._unproven: dict[int, int] = {}
        self._asked_again: set[int] = set()
        self._starts: dict[int, int] = {}
        self._blocked = BlockedPartitions(cluster)
        with sorting("subscribing"):
            self._consumer = Consumer({**group_member(cluster), "error_cb": self._on_error})
            self._consumer.subscribe(
                [self._topic],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )

    def membership(self) -> Membership | None:
        """Return the group metadata; with KIP-848 there is a member id before one has joined."""
        membership: bytes = self._consumer.consumer_group_metadata()
        return membership if self._consumer.memberid() and has_joined(membership) else None

    def confirmed(self) -> Membership | None:
        """Return what `membership` said before the last `take`, if nothing changed in it."""
        return self._confirmed

    def take(self, limit: int, wait: float) -> list[Record]:
        """Wait for one record, then return it with what else has arrived."""
        self._confirmed = self.membership()
        with sorting("reading updates", *self._needs):
            messages = self._consumer.consume(1, 0 if self._blocked.searching else wait)
            if messages:
                messages += self._consumer.consume(limit - 1, 0) if limit > 1 else []
        if self._callback_error is not None:
            error, self._callback_error = self._callback_error, None
            raise error
        records = []
        ahead: set[int] = set()
        blocked = self._blocked.positions
        for message in messages:
            if self._unproven and self._is_ahead(message, ahead):
                continue
            if blocked and message.partition() in blocked:
                continue  # what comes behind a damaged batch may be anything
            if message.error() is None:
                records.append(to_record(message))
            else:
                self._meet(message)
        self._absence.check(self._consumer)
        self._blocked.note_read(messages)
        if blocked:
            found, read_on = self._blocked.step(limit - len(records))
            records += found
            self._read_on(read_on)
        return records

    def rebalance(self) -> Rebalance | None:
        """Return what changed, once."""
        news, self._news = self._news, None
        return news

    def resume(self, positions: Mapping[int, int]) -> None:
        """Assign anew at the positions.

        A seek would do, were it not refused for a partition whose fetch met an error meanwhile.
        """
        self._blocked.forget(positions)
        self._paused.difference_update(positions)
        self._read_on(positions)

    def _read_on(self, positions: Mapping[int, int]) -> None:
        places = [TopicPartition(self._topic, *position) for position in positions.items()]
        if places:
            with sorting("resuming partitions"):
                self._consumer.incremental_unassign(places)
                self._consumer.incremental_assign(places)
                self._consumer.resume(places)
            self._starts.update(positions)
            self._unproven.update(positions)
            self._asked_again.difference_update(positions)

    def pause(self, partitions: Sequence[int]) -> None:
        """Hold records back; librdkafka drops those of paused partitions from its queue."""
        self._paused.update(partitions)
        self._blocked.forget(partitions)
        with sorting("pausing partitions"):
            self._consumer.pause(self._partitions(partitions))

    def seek(self, positions: Mapping[int, int]) -> None:
        """Make these the next offsets; what was fetched ahead is dropped."""
        blocked = self._blocked.positions
        moved = {each: at for each, at in positions.items() if blocked.get(each, at) != at}
        self.resume(moved)
        with sorting("seeking"):
            for partition, offset in positions.items():
                if partition not in blocked and partition not in moved:
                    self._consumer.seek(TopicPartition(self._topic, partition, offset))
                    self._starts[partition] = offset

    def positions(self, partitions: Sequence[int]) -> dict[int, int]:
        """Return the positions, those that the end-of-partition event passed included."""
        with sorting("asking for positions"):
            known = self._consumer.position(self._partitions(partitions))
        blocked = self._blocked.positions  # what came behind an unreadable batch was dropped
        return {e.partition: blocked.get(e.partition, e.offset) for e in known if e.offset >= 0}

    def ends(self, partitions: Sequence[int]) -> dict[int, int]:
        """Return the ends as the last fetch answers told them."""
        ends: dict[int, int] = {}
        for partition in partitions:
            known = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), cached=True
            )
            if known is not None and known[1] >= 0:
                ends[partition] = known[1]
        return ends

    def damaged(self) -> Mapping[int, str]:
        """Return what is wrong with the batches that damaged partitions stand before."""
        return dict(self._blocked.damage)

    def connection_error(self) -> str | None:
        """Ask the brokers, if the client reported that all of them were down."""
        if self._connection_error is not None:
            with suppress(KafkaException):
                self._consumer.list_topics(self._topic, timeout=_ANSWER_S)
                self._connection_error = None
                self._causes.forget()
        return self._connection_error and (self._causes.last() or self._connection_error)

    def close(self) -> None:
        """Leave the group."""
        with sorting("leaving the group"):
            self._consumer.close()

    def _partitions(self, partitions: Mapping[int, int] | Sequence[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in partitions]

    def _is_ahead(self, message: Message, ahead: set[int]) -> bool:
        """Whether a resumed partition's first word is beyond its position, and is asked for again.

        A gap there is mostly a transaction's marker, and the second answer is the same. But an
        answer to an earlier question of the client, come late, would skip records in silence.
        """
        partition, offset = message.partition() or 0, message.offset() or 0
        position = self._unproven.get(partition)
        if position is None or partition in ahead:
            return partition in ahead
        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            if offset > position and partition not in self._asked_again:
                self._asked_again.add(partition)
                ahead.add(partition)
                self.seek({partition: position})
                return True
            del self._unproven[partition]
        return False

    def _held_back(self, partition: int) -> int:
        """Return where an assigned partition stands until `resume`: its end, as a number.

        A fetch may start before the pause takes hold: there it finds nothing. (The logical end is
        an open question to the broker, and its answer may overtake a later assignment: seen.)
        """
        try:
            place = TopicPartition(self._topic, partition)
            known = self._consumer.get_watermark_offsets(place, timeout=_ANSWER_S)
        except KafkaException:
            return 0  # what becomes of a fetch there is ignored while the partition is paused
        return known[1] if known else 0

    def _meet(self, message: Message) -> None:
        """Raise what a message's error means, unless it is an event or passes by itself."""
        error = message.error()
        if error is None or error.code() in (
            KafkaError._PARTITION_EOF,  # noqa: SLF001  librdkafka's own codes have this form
            KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001  the loss of partitions follows
        ):
            return
        if message.partition() in self._paused:
            return  # it was fetched before the pause took hold; `resume` seeks
        if is_unpackable(error) or is_damaged(error):
            self._block(message, error)
            return
        where = f"reading {message.topic() or self._topic}"
        partition = message.partition()
        partition = -1 if partition is None else partition
        if partition >= 0:
            where += f" partition {partition} at offset {message.offset()}"
        fault = sort(error, where, self._needs)
        if isinstance(fault, TopicError):
            self._absence.note(fault, partition)
        elif not isinstance(fault, LogUnavailable):
            raise fault

    def _block(self, message: Message, error: KafkaError) -> None:
        """Have the client fetch no more of a partition that stands before an unreadable batch."""
        partition = message.partition() or 0
        place = TopicPartition(self._topic, partition)
        with sorting("pausing partitions"):
            self._consumer.pause([place])
            position = self._consumer.position([place])[0].offset
        if position < 0:
            position = self._starts[partition]
        self._blocked.block(message, error, position, self.ends([partition]).get(partition, 0))

    # Callbacks run inside `take`. An exception in one would make it skip records, so they keep it.

    def _on_error(self, error: KafkaError) -> None:
        self._causes.note(error)
        if error.fatal():
            self._callback_error = ConfigError(
                f"the group does not take this member any more: {error.str()} ({error.name()})",
                hint="Mend PROCESSOR_KAFKA (a group.instance.id is one process's own).",
            )
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._connection_error = error.str()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            numbers = {each.partition for each in partitions}
            for each in partitions:
                each.offset = self._held_back(each.partition)
            consumer.incremental_assign(partitions)
            consumer.pause(partitions)
            self._assigned |= numbers
            self._paused |= numbers
            self._note(assigned=numbers, revoked=set())
        except Exception as error:  # noqa: BLE001  kept for `take` to raise
            self._callback_error = _kept(error)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            numbers = {each.partition for each in partitions}
            self._assigned -= numbers
            self._paused -= numbers
            for number in numbers:
                self._unproven.pop(number, None)
                self._blocked.forget([number])
                self._blocked.mended(number)
            self._note(assigned=set(), revoked=numbers)
            consumer.incremental_unassign(partitions)
        except Exception as error:  # noqa: BLE001  kept for `take` to raise
            self._callback_error = _kept(error)

    def _note(self, assigned: set[int], revoked: set[int]) -> None:
        self._confirmed = None
        before = self._news or Rebalance(frozenset(), frozenset())
        self._news = Rebalance(
            frozenset((before.assigned - revoked) | assigned),
            frozenset(before.revoked | revoked),
        )


def _kept(error: Exception) -> Exception:
    known = isinstance(error, ProcessorError)
    return error if known else LogUnavailable(f"in a rebalance: {error}")
