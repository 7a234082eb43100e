"""Snapshots whose schema id stands in a header are, inside, as those whose does not."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Message

from processor.avro.framing import SCHEMA_ID_HEADER, confluent
from processor.kafka.clients import Cluster
from processor.kafka.framing import HeadersPublication, to_snapshots
from processor.kafka.publication import KafkaPublication
from processor.ports.log import Headers, Outgoing, Record, Topic
from processor.ports.snapshots import Snapshots

SENT: list[tuple[Any, ...]] = []
SINGLE_OBJECT = b"\xc3\x01" + bytes(8)
OTHER = ("trace", b"1")


def read(value: bytes | None, headers: Headers) -> Record:
    """Return what becomes of such a message of the output."""
    given: Any = ("sessions", 0, 7, b"k", value, list(headers), None, (1, 5))
    (record,) = to_snapshots([Message(*given)])
    return record


@pytest.fixture
def publication(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeadersPublication]:
    """One that keeps in `SENT` what it sends, and sends nothing."""
    monkeypatch.setattr(KafkaPublication, "send", lambda _, *given: SENT.append(given))
    yield HeadersPublication(Cluster({}, "group", {}), lambda: False)
    SENT.clear()


@pytest.mark.parametrize("value", [confluent(258) + b"datum", SINGLE_OBJECT + b"datum", None])
def test_what_was_sent_is_read_again(value: bytes | None, publication: HeadersPublication) -> None:
    publication.send([Outgoing(Topic.SESSIONS, 0, 5, b"k", value, (OTHER,))])
    publication.send([], Snapshots([0], [5], [b"k"], [value], [(OTHER,)]))
    ((one,), _), (_, copied) = SENT
    for sent, headers in ((one.value, one.headers), (copied.values[0], copied.headers[0])):
        record = read(sent, headers)
        assert (record.value, tuple(record.headers)) == (value, (OTHER,))


def test_only_a_registrys_framing_moves_and_only_that_of_snapshots(
    publication: HeadersPublication,
) -> None:
    value = confluent(258) + b"datum"
    snapshot = Outgoing(Topic.SESSIONS, 0, 5, b"k", value, (OTHER,))
    publication.send([snapshot, snapshot._replace(topic=Topic.DEAD_LETTERS)])
    (((moved, letter), _),) = SENT
    assert moved.value == b"datum"
    assert list(moved.headers) == [OTHER, (SCHEMA_ID_HEADER, confluent(258))]
    assert (letter.value, tuple(letter.headers)) == (value, (OTHER,))


def test_a_header_that_is_none_of_ours_is_left() -> None:
    headers = ((SCHEMA_ID_HEADER, b"nonsense"),)
    record = read(b"datum", headers)
    assert (record.value, tuple(record.headers)) == (b"datum", headers)
