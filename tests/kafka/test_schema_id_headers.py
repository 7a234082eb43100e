"""Snapshots whose schema id stands in a header are, inside, as those whose does not."""

from typing import cast

import pytest
from confluent_kafka import Message

from processor.avro.framing import SCHEMA_ID_HEADER, confluent
from processor.kafka.framing import _parted, to_snapshot
from processor.ports.log import Headers, Outgoing, Topic

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


def sent(value: bytes | None, topic: Topic = Topic.SESSIONS) -> Outgoing:
    return _parted(Outgoing(topic, 0, 5, b"k", value, (OTHER,)))


@pytest.mark.parametrize("value", [confluent(258) + b"datum", SINGLE_OBJECT + b"datum", None])
def test_what_was_sent_is_read_again(value: bytes | None) -> None:
    out = sent(value)
    record = to_snapshot(cast("Message", Read(out.value, out.headers)))
    assert (record.value, tuple(record.headers)) == (value, (OTHER,))


def test_only_a_registrys_framing_moves_and_only_that_of_snapshots() -> None:
    moved = sent(confluent(258) + b"datum")
    assert moved.value == b"datum"
    assert list(moved.headers) == [OTHER, (SCHEMA_ID_HEADER, confluent(258))]
    assert sent(SINGLE_OBJECT).value == SINGLE_OBJECT
    letter = confluent(258) + b"datum"
    assert sent(letter, Topic.DEAD_LETTERS).value == letter


def test_a_header_that_is_none_of_ours_is_left() -> None:
    headers = ((SCHEMA_ID_HEADER, b"nonsense"),)
    record = to_snapshot(cast("Message", Read(b"datum", headers)))
    assert (record.value, tuple(record.headers)) == (b"datum", headers)
