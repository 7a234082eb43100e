"""A dead letter in short: why it was rejected, and where it came from."""

from typing import Final, NamedTuple

from processor.ports.log import Record
from processor.stages.publish import OFFSET_TO_HEADER

PREFIX: Final = "__streams.errors."


class DeadLetter(NamedTuple):
    """A dead letter in short. `source` is the input record's topic, partition and offset."""

    partition: int
    offset: int
    timestamp: int
    reason: str
    message: str
    source: tuple[str, str, str]
    key: str
    size: int
    offset_to: str = ""
    """The last offset of the range that it stands for, empty where it stands for one record."""

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
        record.timestamp,
        why.get(PREFIX + "exception", ""),
        why.get(PREFIX + "message", ""),
        (
            why.get(PREFIX + "topic", ""),
            why.get(PREFIX + "partition", ""),
            why.get(PREFIX + "offset", ""),
        ),
        text(record.key),
        len(record.value or b""),
        text(next((value for name, value in record.headers if name == OFFSET_TO_HEADER), None)),
    )


def text(value: bytes | None) -> str:
    """Return bytes as text, those that are none escaped."""
    return (value or b"").decode(errors="backslashreplace")
