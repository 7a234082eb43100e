"""What a message becomes on its way in."""

from typing import cast

from confluent_kafka import Message

from processor.kafka.records import UNREADABLE_HEADERS, to_record


class _HostileMessage:
    """As confluent-kafka answers for a header whose name is not UTF-8 (seen with 2.16.1)."""

    asked = 0

    def headers(self) -> object:
        self.asked += 1
        assert self.asked == 1, "asked again, it would hand out a null pointer"
        raise SystemError("returned a result with an exception set")

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return 7

    def timestamp(self) -> tuple[int, int]:
        return (1, 99)

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes:
        return b"v"


def test_a_header_whose_name_is_not_utf8_does_not_stop_the_stream() -> None:
    record = to_record(cast("Message", _HostileMessage()))
    assert record == (1, 7, 99, b"k", b"v", UNREADABLE_HEADERS)
