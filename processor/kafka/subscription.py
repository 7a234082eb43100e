"""The live consumer: `Subscription` on confluent-kafka."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from processor.errors import TopicError
from processor.kafka.clients import Cluster
from processor.kafka.faults import is_outside_log, sort, sorting
from processor.kafka.member import GroupMember, is_refused, refused
from processor.kafka.records import to_records
from processor.kafka.unreadable import BlockedPartitions, is_damaged, is_unpackable
from processor.ports.log import (
    LogUnavailable,
    Membership,
    Rebalance,
    Record,
    Topic,
)

_log: Final = structlog.get_logger("processor")


class KafkaSubscription:
    """A member of the group. Made, it subscribes; its first `take` calls join."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._topic = cluster.topics[Topic.UPDATES]
        self._needs = (cluster.on_topic(Topic.UPDATES, "READ"), cluster.on_group("READ"))
        self._paused: set[int] = set()
        self._unproven: dict[int, int] = {}
        self._asked_again: set[int] = set()
        self._starts: dict[int, int] = {}
        self._blocked = BlockedPartitions(cluster)
        self._outside_log = False
        """Stays true until a renewal succeeds: the client tells it once, and fetches no more."""
        self._renewed: Rebalance | None = None
        self._member = self._made()
        self._member.join()

    def _made(self) -> GroupMember:
        return GroupMember(self._cluster, self._paused.update, self._forget)

    @property
    def _consumer(self) -> Consumer:
        return self._member.consumer

    @property
    def member(self) -> str:
        """The id that the group has given; empty where there is none."""
        return self._consumer.memberid() or ""

    def membership(self) -> Membership | None:
        """Return the group metadata, None before the group gave a generation."""
        return self._member.membership()

    def confirmed(self) -> Membership | None:
        """Return what `membership` said before the last `take`, if nothing changed in it."""
        return self._member.confirmed

    def take(self, limit: int, wait: float) -> list[Record]:
        """Wait for one record, then return it with what else has arrived."""
        self._member.confirmed = self.membership()
        with sorting("reading updates", *self._needs):
            messages = self._consumer.consume(1, 0 if self._blocked.searching else wait)
            if messages:
                messages += self._consumer.consume(limit - 1, 0) if limit > 1 else []
        self._member.raise_kept()
        records = to_records(self._good(messages))
        if self._outside_log:
            # Another may have gone on from there. Who takes the partition over looks at what is
            # committed, and fails closed where that is outside the log.
            self._renewed = self.renew()
            return []
        self._blocked.note_read(messages)
        if self._blocked.positions:
            found, read_on = self._blocked.step(limit - len(records))
            records += found
            self._read_on(read_on)
        return records

    def _good(self, messages: list[Message]) -> list[Message]:
        """Return the messages that are records to process; meet the errors among them."""
        blocked = self._blocked.positions
        if not self._unproven and not blocked and not any(map(Message.error, messages)):
            return messages
        good = []
        ahead: set[int] = set()
        for message in messages:
            if self._unproven and self._is_ahead(message, ahead):
                continue
            if blocked and message.partition() in blocked:
                continue  # what comes behind a damaged batch may be anything
            if message.error() is None:
                good.append(message)
            else:
                self._meet(message)
        return good

    def rebalance(self) -> Rebalance | None:
        """Return what changed, once."""
        renewed, self._renewed = self._renewed, None
        return renewed or self._member.rebalance()

    def renew(self) -> Rebalance:
        """Leave the group, beside what follows, and join it with another client.

        Where no other can be made, nothing has changed.
        """
        made = self._made()
        change = self._member.abandon()
        self._forget(change.revoked)
        self._outside_log = False
        self._member = made
        made.join()
        return change

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

    def blocked(self) -> Collection[int]:
        """Return the partitions before a batch that is damaged, or whose end is looked for."""
        return set(self._blocked.positions)

    def connection_error(self) -> str | None:
        """Ask the brokers, if the client reported that all of them were down."""
        return self._member.connection_error()

    def close(self) -> None:
        """Leave the group."""
        self._member.leave()

    def _forget(self, partitions: Collection[int]) -> None:
        """Forget partitions that are revoked."""
        self._paused.difference_update(partitions)
        self._blocked.forget(partitions)
        for partition in partitions:
            self._unproven.pop(partition, None)
            self._blocked.mended(partition)

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

    def _meet(self, message: Message) -> None:
        """Raise what a message's error means, unless it is an event or passes by itself."""
        error = message.error()
        if error is None or error.code() in (
            KafkaError._PARTITION_EOF,  # noqa: SLF001  librdkafka's own codes have this form
            KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001  the loss of partitions follows
        ):
            return
        if is_refused(error):
            raise refused(error)
        if message.partition() in self._paused:
            return  # it was fetched before the pause took hold; `resume` seeks
        if is_unpackable(error) or is_damaged(error):
            self._block(message, error)
            return
        where = f"reading {message.topic() or self._topic}"
        partition = message.partition()
        if partition is not None and partition >= 0:
            where += f" partition {partition} at offset {message.offset()}"
        if is_outside_log(error):
            _log.warning("offset outside the log, joining anew", error=f"{where}: {error.str()}")
            self._outside_log = True
            return
        fault = sort(error, where, self._needs)
        # A broker may not know the topic for a moment. Who asks for its id sees that none does.
        if not isinstance(fault, (LogUnavailable, TopicError)):
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
