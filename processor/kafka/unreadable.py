"""Batches that the client cannot read: how it says so, and where such a batch ends.

Of a batch that it cannot unpack, librdkafka tells its first offset and that it failed, again and
again, and does not move on; the last offset stands in the batch's header, which it keeps to itself.
Of a batch whose checksum is wrong it tells the first offset too, and then goes on anywhere.
"""

from collections.abc import Callable, Generator, Iterable
from time import monotonic
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from processor.kafka.clients import Cluster, scanner
from processor.kafka.faults import sorting
from processor.ports.log import LogUnavailable, Topic, Unreadable

_UNPACKABLE: Final = KafkaError._BAD_COMPRESSION  # noqa: SLF001  librdkafka's own codes have this form
_DAMAGED: Final = frozenset(
    {
        KafkaError._BAD_MSG,  # noqa: SLF001  the checksum
        KafkaError.INVALID_MSG,  # the broker found it, and does not send the batch
        KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001  a version or codec that no broker lets in
    }
)
_END: Final = KafkaError._PARTITION_EOF  # noqa: SLF001
_ANSWER_S: Final = 3.0
RETRY_S: Final = 30.0
"""How long a partition waits before it reads a damaged batch again."""


def is_unpackable(error: KafkaError) -> bool:
    """Whether a batch is whole, and yet cannot be unpacked; its first offset is the message's.

    Only with `check.crcs`: without it, a damaged one may look so.
    """
    return bool(error.code() == _UNPACKABLE)


def is_damaged(error: KafkaError) -> bool:
    """Whether a batch is not what was written."""
    return error.code() in _DAMAGED


def is_lasting(error: KafkaError) -> bool:
    """Whether a reader that asks again hears the same, for as long as no replica has it better."""
    return is_unpackable(error) or is_damaged(error)


class BlockedPartitions:
    """The partitions that stand before a batch that cannot be read. One thread calls it.

    Each leaves with `step`, which says where to read on, or when it is forgotten.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._searches: dict[int, Generator[tuple[()], None, Unreadable | None]] = {}
        self._retries: dict[int, float] = {}
        self.positions: dict[int, int] = {}
        """Where each stands."""
        self.damage: dict[int, str] = {}
        """What is wrong with the batch that each damaged one met last, until `mended`."""

    @property
    def searching(self) -> bool:
        """Whether a `step` has something to find out."""
        return bool(self._searches)

    def block(self, message: Message, error: KafkaError, position: int, end: int) -> None:
        """Take note of a batch that cannot be read, and of the offsets that `find` asks for."""
        partition = message.partition() or 0
        self.positions[partition] = position
        if is_damaged(error):
            self._retries[partition] = monotonic() + RETRY_S
            self.damage[partition] = f"{error.str()} ({error.name()})"
        else:
            self._searches[partition] = find(message, position, end, self._cluster)

    def step(self, room: int) -> tuple[list[Unreadable], dict[int, int]]:
        """Ask a question for each search; return up to `room` answers, and where to read on.

        A partition that a damaged batch stops is read on where it stands, once that is due.
        """
        found = []
        read_on = {}
        for partition, search in list(self._searches.items())[:room]:
            try:
                next(search)
            except StopIteration as done:
                read_on[partition] = self.positions[partition]
                if done.value is not None:
                    found.append(done.value)
                    read_on[partition] = done.value.end
        now = monotonic()
        read_on |= {each: self.positions[each] for each, at in self._retries.items() if now >= at}
        self.forget(read_on)
        return found, read_on

    def forget(self, partitions: Iterable[int]) -> None:
        """Let partitions go that are read from elsewhere, or not any more."""
        for partition in partitions:
            for known in (self.positions, self._searches, self._retries):
                known.pop(partition, None)

    def note_read(self, messages: Iterable[Message]) -> None:
        """Take note of the damaged partitions of which a record or the end has come again."""
        for message in messages if self.damage else ():
            error = message.error()
            if error is None or error.code() == _END:
                self.mended(message.partition() or 0)

    def mended(self, partition: int) -> None:
        """Take note that a partition was read, or is somebody else's, unless it is blocked."""
        if partition not in self.positions:
            self.damage.pop(partition, None)


def find(
    message: Message, position: int, end: int, cluster: Cluster
) -> Generator[tuple[()], None, Unreadable | None]:
    """Find out what the error of a batch that cannot be unpacked stands for, a question a step.

    Yields chunks without records, as a reader does that waits.
    `position` is the offset to go on from, `end` one that the batch ends before. A step blocks for
    a few seconds at most. Returns None where the batch is not what comes first from the position:
    then the error was the answer to an earlier question.

    Each question has a consumer of its own: it reads from an offset, and the first that it hears
    tells whether the offset is in the batch. No answer to an earlier question can be taken for it.
    """
    error = message.error()
    partition, first = message.partition() or 0, message.offset() or 0
    place = TopicPartition(cluster.topics[Topic.UPDATES], partition)

    def is_inside(offset: int) -> bool | None:
        return _is_inside(cluster, place, first, offset)

    while (confirmed := is_inside(position)) is None:
        yield ()
    if not confirmed:
        return None
    start = max(first, position)
    last = yield from last_inside(is_inside, start, max(end, start + 1))
    return Unreadable(partition, start, last + 1, error.str() if error else "")


def last_inside(
    is_inside: Callable[[int], bool | None], start: int, end: int
) -> Generator[tuple[()], None, int]:
    """Return the last offset of a batch that has `start` and not `end`, a question a step.

    Most batches are small, so that the steps grow from one offset on. None is no answer: the same
    is asked again.
    """
    low, high, reach = start, end, 1
    while high - low > 1:
        offset = min(low + reach, (low + high) // 2)
        match is_inside(offset):
            case True:
                low, reach = offset, reach * 2
            case False:
                high = offset
        yield ()
    return low


def _is_inside(cluster: Cluster, place: TopicPartition, first: int, offset: int) -> bool | None:
    """Return whether an offset is in the batch that begins at `first`; None for no answer."""
    asker = None
    try:
        with sorting("looking for the end of a batch", *cluster.to_read(Topic.UPDATES)):
            asker = Consumer({**scanner(cluster), "auto.offset.reset": "error"})
            asker.assign([TopicPartition(place.topic, place.partition, offset)])
            until = monotonic() + _ANSWER_S
            while (left := until - monotonic()) > 0:
                for message in asker.consume(1, left):
                    error = message.error()
                    if error is None or error.code() == _END:
                        return False
                    if is_unpackable(error) or is_damaged(error):
                        return is_unpackable(error) and message.offset() == first
    except LogUnavailable:
        return None
    finally:
        if asker is not None:
            asker.close()
    return None
