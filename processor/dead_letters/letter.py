"""A dead letter in short: why it was rejected, and where it came from."""

import re
from typing import Final, NamedTuple

from processor.ports.log import Headers, Record
from processor.stages.publish import EVENT_ID_HEADER, OFFSET_TO_HEADER, TIMESTAMP_HEADER

PREFIX: Final = "__streams.errors."
_MILLISECONDS: Final = re.compile(rb"[0-9]{1,19}")


class DeadLetter(NamedTuple):
    """A dead letter in short. `source` is the input record's topic, partition and offset."""

    partition: int
    offset: int
    timestamp: int
    """The rejected record's; the letter's own where no header tells that."""
    reason: str
    message: str
    source: tuple[str, str, str]
    key: str
    size: int
    offset_to: str = ""
    """The last offset of the range that it stands for, empty where it stands for one record."""
    event_id: str = ""
    """Empty where no header tells it: it cannot be read, or a former version wrote the letter."""

    @property
    def source_offsets(self) -> str:
        """The input's offset, or the range, as people read it."""
        first = self.source[2]
        return f"{first} to {self.offset_to}" if self.offset_to not in ("", first) else first

    @property
    def place(self) -> str:
        """What `dead-letters show` takes."""
        return f"{self.partition}:{self.offset}"


def in_short(record: Record) -> DeadLetter:
    """Return what a list tells of a letter; whatever is not text is escaped."""
    why = {name: text(value) for name, value in record.headers if name.startswith(PREFIX)}
    return DeadLetter(
        record.partition,
        record.offset,
        _timestamp(record),
        why.get(PREFIX + "exception", ""),
        why.get(PREFIX + "message", ""),
        (
            why.get(PREFIX + "topic", ""),
            why.get(PREFIX + "partition", ""),
            why.get(PREFIX + "offset", ""),
        ),
        text(record.key),
        len(record.value or b""),
        text(_header(record.headers, OFFSET_TO_HEADER)),
        text(_header(record.headers, EVENT_ID_HEADER)),
    )


def _timestamp(record: Record) -> int:
    told = _header(record.headers, TIMESTAMP_HEADER) or b""
    return int(told) if _MILLISECONDS.fullmatch(told) else record.timestamp


def _header(headers: Headers, wanted: str) -> bytes | None:
    return next((value for name, value in headers if name == wanted), None)


def text(value: bytes | None) -> str:
    """Return bytes as text, those that are none escaped."""
    return (value or b"").decode(errors="backslashreplace")
