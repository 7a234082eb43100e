"""What messages become on their way in."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, Message

from processor.kafka.records import UNREADABLE_HEADERS, to_records
from processor.kafka.scan import _between


class _Hostile(Message):
    """As confluent-kafka answers for a header whose name is not UTF-8 (seen with 2.16.1)."""

    asked = False

    def headers(self) -> Any:
        assert not self.asked, "asked again, it would hand out a null pointer"
        self.asked = True
        raise SystemError("returned a result with an exception set")


def _message(kind: type[Message], offset: int, headers: Any = None) -> Message:
    return kind("updates", 1, offset, b"k", b"v", headers, None, (1, 99))


def test_a_header_whose_name_is_not_utf8_does_not_stop_the_stream() -> None:
    own = [("trace", b"1")]
    messages = [
        _message(Message, 6),
        _message(_Hostile, 7),
        _message(_Hostile, 8),
        _message(Message, 9, own),
    ]
    headers = [(), UNREADABLE_HEADERS, UNREADABLE_HEADERS, own]
    assert to_records(messages) == [
        (1, 6 + at, 99, b"k", b"v", each) for at, each in enumerate(headers)
    ]
    assert to_records([]) == []


@pytest.mark.parametrize(
    ("offsets", "found"),
    [
        ([4, 5, 6, 8, 9], [5, 6, 8]),
        ([5, 5, 6], [5, 6]),
        ([5, 6, 5, 6, 7], [5, 6, 7]),
        ([5, None, 7], [5, 7]),
    ],
)
def test_what_came_before_is_not_read_again(offsets: list[int | None], found: list[int]) -> None:
    """A fetch that is refused as out of range resets to the beginning; None is an error's."""
    messages = []
    for each in offsets:
        error = None if each is not None else KafkaError(KafkaError._PARTITION_EOF)
        given: Any = ("t", 0, each or 0, b"k", b"v", None, error, (1, 5))
        messages.append(Message(*given))
    assert [each.offset() for each in _between(messages, 5, 9)] == found
