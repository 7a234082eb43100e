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
from processor.kafka.records import to_record
from processor.ports.log import Headers, Outgoing, Record, Snapshots, Topic


class HeadersPublication(KafkaPublication):
    """Publishes snapshots with their registry's framing in a header, all else as it is."""

    def send(self, records: Sequence[Outgoing], snapshots: Snapshots = ((), ())) -> None:
        """Hand snapshots over, then records."""
        parted = [_parted(value) for value in snapshots[1]]
        sources = [
            record._replace(headers=[*record.headers, *header])
            for record, (_, header) in zip(snapshots[0], parted, strict=True)
        ]
        super().send(list(map(_framed, records)), (sources, [value for value, _ in parted]))


def reads(topic: Topic) -> Callable[[Message], Record]:
    """Return what makes a record of the topic's messages."""
    return to_snapshot if topic is Topic.SESSIONS else to_record


def to_snapshot(message: Message) -> Record:
    """Return an output record with its value framed, wherever its schema id stood.

    So values are compared, copied and cached in one form, and tell by themselves how to read them.
    """
    record = to_record(message)
    if not record.headers or record.value is None:
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
