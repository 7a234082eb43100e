"""What messages become on their way in."""

from typing import Any

from confluent_kafka import Message

from processor.kafka.records import UNREADABLE_HEADERS, to_records


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
