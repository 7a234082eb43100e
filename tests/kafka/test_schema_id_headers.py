"""Snapshots whose schema id stands in a header are, inside, as those whose does not."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from confluent_kafka import Message

from processor.avro.framing import SCHEMA_ID_HEADER, confluent
from processor.kafka.clients import Cluster
from processor.kafka.framing import HeadersPublication, to_snapshot
from processor.kafka.publication import KafkaPublication
from processor.ports.log import Headers, Outgoing, Record, Topic

SENT: list[tuple[Any, ...]] = []
SINGLE_OBJECT = b"\xc3\x01" + bytes(8)
OTHER = ("trace", b"1")


class Read:
    """As much of a message as is asked for."""

    def __init__(self, value: bytes | None, headers: Headers) -> None:
        self._value = value
        self._headers = headers

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7

    def timestamp(self) -> tuple[int, int]:
        return 1, 5

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes | None]]:
        return list(self._headers)


@pytest.fixture
def publication(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeadersPublication]:
    """One that keeps in `SENT` what it sends, and sends nothing."""
    monkeypatch.setattr(KafkaPublication, "send", lambda _, *given: SENT.append(given))
    yield HeadersPublication(Cluster({}, "group", {}), lambda: False)
    SENT.clear()


@pytest.mark.parametrize("value", [confluent(258) + b"datum", SINGLE_OBJECT + b"datum", None])
def test_what_was_sent_is_read_again(value: bytes | None, publication: HeadersPublication) -> None:
    publication.send([Outgoing(Topic.SESSIONS, 0, 5, b"k", value, (OTHER,))])
    publication.send([], ([Record(0, 9, 5, b"k", b"an update", (OTHER,))], [value]))
    ((one,), _), (_, ((source,), (copied,))) = SENT
    for sent, headers in ((one.value, one.headers), (copied, source.headers)):
        record = to_snapshot(cast("Message", Read(sent, headers)))
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
    record = to_snapshot(cast("Message", Read(b"datum", headers)))
    assert (record.value, tuple(record.headers)) == (b"datum", headers)
