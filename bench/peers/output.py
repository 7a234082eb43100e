"""What a peer published, as a read_committed reader finds it, from the beginning to the end."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition
from fastavro import schemaless_reader

from bench.service import Place
from processor.avro.schemas import load_schemas

_HEADER = 10
_AT_ONCE = 1_000
_SAID = ("exception", "topic", "partition", "offset")
_PATIENCE_S = 75.0
"""The transaction of a client that was killed is aborted after a minute, where nobody fences it."""

Snapshots = Mapping[bytes, list[dict[str, Any]]]


class Letter(NamedTuple):
    """A dead letter, without what is said for people."""

    reason: bytes
    origin: tuple[bytes, bytes, bytes]
    value: bytes | None


Letters = Mapping[bytes, list[Letter]]


def snapshots(place: Place) -> Snapshots:
    """Return the snapshots by key, in their order. Raises TimeoutError; see `_messages`."""
    schema = load_schemas().snapshots.reader.parsed
    found = defaultdict[bytes, list[dict[str, Any]]](list)
    for message in _messages(place, place.settings.sessions_topic):
        datum = BytesIO((message.value() or b"")[_HEADER:])
        snapshot: Any = schemaless_reader(datum, schema, None)
        found[message.key() or b""].append(snapshot)
    return found


def letters(place: Place) -> Letters:
    """Return the dead letters by key, in their order. Raises TimeoutError; see `_messages`."""
    found = defaultdict[bytes, list[Letter]](list)
    for message in _messages(place, place.settings.dead_letters_topic):
        headers: dict[str, Any] = dict(message.headers() or ())
        said = {name: headers.get(f"__streams.errors.{name}", b"") for name in _SAID}
        origin = (said["topic"], said["partition"], said["offset"])
        found[message.key() or b""].append(Letter(said["exception"], origin, message.value()))
    return found


def _messages(place: Place, topic: str) -> Iterator[Message]:
    """Yield what is committed up to the end of now.

    Raises TimeoutError where a transaction stays open: what it hides would seem to be missing.
    """
    ends = _ends(place, topic)
    consumer = _consumer(place, topic, "read_committed")
    try:
        consumer.assign([TopicPartition(each.topic, each.partition, 0) for each in ends])
        deadline = time.monotonic() + _PATIENCE_S
        while _left(consumer, ends):
            if time.monotonic() > deadline:
                raise TimeoutError(f"a transaction in {topic} stays open")
            first = consumer.poll(0.1)
            for message in () if first is None else (first, *consumer.consume(_AT_ONCE, 0)):
                if message.error() is None:
                    yield message
    finally:
        consumer.close()


def _ends(place: Place, topic: str) -> list[TopicPartition]:
    """Return where the partitions that hold something end, open transactions included."""
    consumer = _consumer(place, topic, "read_uncommitted")
    try:
        asked = [TopicPartition(topic, each) for each in range(place.partitions)]
        for each in asked:
            each.offset = consumer.get_watermark_offsets(each, timeout=30)[1]
    finally:
        consumer.close()
    return [each for each in asked if each.offset > 0]


def _consumer(place: Place, topic: str, isolation: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": place.bootstrap,
            "group.id": f"{topic}-output",
            "isolation.level": isolation,
            "enable.auto.commit": False,
        }
    )


def _left(consumer: Consumer, ends: list[TopicPartition]) -> bool:
    # A position passes the markers of transactions, which have no messages.
    at = {each.partition: each.offset for each in consumer.position(ends)}
    return any(at[each.partition] < each.offset for each in ends)
