"""Reading a topic's partition from end to end: `Scan` on confluent-kafka."""

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from operator import attrgetter, lt
from typing import Any, Final, NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from processor.kafka.clients import Cluster, scanner
from processor.kafka.faults import sort, sorting
from processor.kafka.framing import reads, reads_latest
from processor.kafka.permissions import Permission
from processor.kafka.unreadable import find, is_lasting, is_unpackable
from processor.ports.latest import Latest
from processor.ports.log import LogUnavailable, Record, Topic
from processor.ports.segments import NOBODY, ROLLED, is_rolling

_ANSWER_S: Final = 5.0
_KEY: Final = attrgetter("key")
Made = TypeVar("Made", Sequence[Record], Latest)


class ScanPace(NamedTuple):
    """How much comes at once, and how long is waited for it."""

    records: int = 2_000
    seconds: float = 0.1
    kib_ahead: int = 16_384
    """What the client fetches ahead, a fourth of it with one request."""


SWEEPING: Final = ScanPace(records=250, seconds=0.0, kib_ahead=4_096)
"""For who has other work to do: nothing is waited for."""


class KafkaScan:
    """Makes a consumer for each reading, outside of the group, and closes it at the end.

    With `uncommitted` it reads what was aborted, or is not committed yet, too.
    """

    def __init__(
        self,
        cluster: Cluster,
        pace: ScanPace = ScanPace(),  # noqa: B008  frozen
        *,
        uncommitted: bool = False,
    ) -> None:
        self._cluster = cluster
        self._pace = pace
        isolation = {"isolation.level": "read_uncommitted"} if uncommitted else {}
        self._properties = {**scanner(cluster, pace.kib_ahead), **isolation}

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        """Yield chunks until the position has passed `end`, which no record need be at."""
        for chunk in self._chunks(topic, partition, (start, end), reads(topic)):
            if topic in ROLLED and NOBODY in map(_KEY, chunk):
                yield [record for record in chunk if not is_rolling(record)]
            else:
                yield chunk

    def latest(self, topic: Topic, partition: int, start: int, end: int) -> Iterator[Latest]:
        """Yield the last value of each key, chunk by chunk."""
        return self._chunks(topic, partition, (start, end), reads_latest(topic))

    def _chunks(
        self,
        topic: Topic,
        partition: int,
        between: tuple[int, int],
        made: Callable[[Sequence[Message]], Made],
    ) -> Iterator[Made]:
        start, end = between
        if start >= end:
            return
        name = self._cluster.topics[topic]
        doing = f"reading {name} partition {partition}"
        needs = self._cluster.to_read(topic)
        place = TopicPartition(name, partition, start)
        with sorting(doing, *needs):
            consumer = Consumer(self._properties)
        # A fetch that the broker refuses as out of range, as it may for a moment while a
        # transaction is fenced, resets to the beginning: what was yielded must not come again.
        following = start
        try:
            with sorting(doing, *needs):
                consumer.assign([place])
            while True:
                with sorting(doing, *needs):
                    # One call for all would wait for a chunk to fill, at the end of each partition.
                    messages = consumer.consume(1, self._pace.seconds)
                    if messages:
                        messages += consumer.consume(self._pace.records - 1, 0)
                unreadable = _cut(messages, doing, needs)
                messages = _between(messages, following, end)
                if messages:
                    following = (messages[-1].offset() or 0) + 1
                yield made(messages)
                with sorting(doing, *needs):
                    if unreadable is None:
                        position = consumer.position([place])[0].offset
                    else:
                        position = unreadable.offset() or 0
                        if position < end:
                            following = max(following, position)
                            found = self._unreadable(topic, unreadable, following, consumer)
                            # Of the input alone, which is read as records.
                            position = following = yield from found  # type: ignore[misc]
                            consumer.assign([TopicPartition(name, partition, following)])
                if position >= end:
                    return
        finally:
            consumer.close()

    def _unreadable(
        self, topic: Topic, message: Message, following: int, consumer: Consumer
    ) -> Generator[Sequence[Record], None, int]:
        """Yield what stands for a batch of the input that cannot be unpacked; return what follows.

        Raises LogUnavailable for one that is damaged, and for any of another topic.
        """
        error = message.error()
        place = TopicPartition(message.topic() or "", message.partition() or 0)
        if error is not None and not (topic is Topic.UPDATES and is_unpackable(error)):
            doing = f"reading {place.topic} partition {place.partition} at {message.offset()}"
            raise sort(error, doing)
        _, end = consumer.get_watermark_offsets(place, timeout=_ANSWER_S)
        found = yield from find(message, following, end, self._cluster)
        if found is None:
            return following
        yield [found]
        return found.end


def _between(messages: list[Message], start: int, end: int) -> list[Message]:
    """Return the messages that are records, from offset `start` on and in order, below `end`."""
    offsets: list[Any] = list(map(Message.offset, messages))
    if not any(map(Message.error, messages)) and all(map(lt, offsets, offsets[1:])):
        return messages[bisect_left(offsets, start) : bisect_left(offsets, end)]
    found = []
    for message, offset in zip(messages, offsets, strict=True):
        if message.error() is None and start <= offset < end:
            found.append(message)
            start = offset + 1
    return found


def _cut(messages: list[Message], doing: str, needs: Iterable[Permission]) -> Message | None:
    """Leave out the first message that says that a batch cannot be read, and all behind it.

    Returns it. Raises what another error means, unless it is an event or passes by itself.
    """
    for at, error in enumerate(map(Message.error, messages)):
        if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            continue
        if is_lasting(error):
            message = messages[at]
            del messages[at:]
            return message
        fault = sort(error, doing, needs)
        if not isinstance(fault, LogUnavailable):
            raise fault
    return None
