"""Snapshots whose schema id stands in a header: taken out of the value, and put back."""

from collections.abc import Callable, Sequence

from confluent_kafka import Message

from processor.avro.framing import (
    CONFLUENT_LENGTH,
    SCHEMA_ID_HEADER,
    DecodeError,
    framed,
    is_confluent,
)
from processor.kafka.publication import KafkaPublication
from processor.kafka.records import headers_of, to_records
from processor.ports.latest import Latest, latest, latest_of
from processor.ports.log import Headers, Outgoing, Record, Topic
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots


class HeadersPublication(KafkaPublication):
    """Publishes snapshots with their registry's framing in a header, all else as it is."""

    def send(self, records: Sequence[Outgoing], snapshots: Snapshots = NO_SNAPSHOTS) -> None:
        """Hand snapshots over, then records."""
        parted = [_parted(value) for value in snapshots.values]
        headers = [(*own, *more) for own, (_, more) in zip(snapshots.headers, parted, strict=True)]
        values = [value for value, _ in parted]
        parted_snapshots = snapshots._replace(values=values, headers=headers)
        super().send(list(map(_framed, records)), parted_snapshots)


def reads(topic: Topic) -> Callable[[Sequence[Message]], list[Record]]:
    """Return what makes records of the topic's messages, of which none is an error."""
    return to_snapshots if topic is Topic.SESSIONS else to_records


def reads_latest(topic: Topic) -> Callable[[Sequence[Message]], Latest]:
    """Return what tells the last of each key from the topic's messages, as `reads` does."""
    return latest_snapshots if topic is Topic.SESSIONS else latest_values


def to_snapshots(messages: Sequence[Message]) -> list[Record]:
    """Return output records with their values framed, wherever their schema ids stood.

    So values are compared, copied and cached in one form, and tell by themselves how to read them.
    """
    return [_whole(record) if record.headers else record for record in to_records(messages)]


def latest_snapshots(messages: Sequence[Message]) -> Latest:
    """Return what output records say last of each key, framed as by `to_snapshots`."""
    if any(headers_of(messages)):
        return latest_of(to_snapshots(messages))
    return latest_values(messages)


def latest_values(messages: Sequence[Message]) -> Latest:
    """Return what records say last of each key, from no more objects than it takes."""
    end = (messages[-1].offset() or 0) + 1 if messages else None
    keys, values = map(Message.key, messages), map(Message.value, messages)
    return latest(end, dict(zip(keys, values, strict=True)))


def _whole(record: Record) -> Record:
    if record.value is None:
        return record
    try:
        value = framed(record.value, record.headers)
    except DecodeError:
        return record  # not of the processor: whoever reads the value says so
    headers = [each for each in record.headers if each[0] != SCHEMA_ID_HEADER]
    return record._replace(value=value, headers=headers)


def _framed(record: Outgoing) -> Outgoing:
    if record.topic is not Topic.SESSIONS:
        return record
    value, header = _parted(record.value)
    return record._replace(value=value, headers=[*record.headers, *header])


def _parted(value: bytes | None) -> tuple[bytes | None, Headers]:
    """Return a snapshot's value without a registry's framing, and the header for that."""
    if value is None or not is_confluent(value):
        return value, ()
    return value[CONFLUENT_LENGTH:], [(SCHEMA_ID_HEADER, value[:CONFLUENT_LENGTH])]
