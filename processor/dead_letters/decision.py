"""What becomes of a dead letter that is to go back to the input. Pure."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple, Self

from processor.dead_letters.letter import DeadLetter
from processor.ports.log import HEADERS_UNREADABLE, NO_TIMESTAMP, Headers, Outgoing, Record, Topic
from processor.stages.publish import ADDED_HEADERS, CUT_HEADER, OFFSET_TO_HEADER

ATTEMPT_HEADER: Final = "session-processor.attempt"
"""Which attempt at the update a redriven record is: 2 the first time."""

_OURS: Final = frozenset({*ADDED_HEADERS, CUT_HEADER, HEADERS_UNREADABLE, ATTEMPT_HEADER})
_NUMBER: Final = re.compile(rb"[1-9][0-9]{0,8}")
_PARTITION: Final = re.compile(r"[0-9]{1,9}")
_OFFSET: Final = re.compile(r"[0-9]{1,19}")


class Skip(StrEnum):
    """Why a letter is not sent, in the order in which it is asked; `why` is for people."""

    why: str

    NO_ORIGIN = "no-origin", "its headers do not tell where it came from"
    OTHER_TOPIC = "other-topic", "it came from another topic"
    NO_PARTITION = "no-partition", "it came from a partition that the input does not have"
    UNREADABLE = "unreadable", "it stands for a batch of the input that cannot be unpacked"
    VALUE_CUT = "value-cut", "it has no value, because that was too large to keep"
    COMMAND = "command", "it is a command, and --commands was not given"
    ATTEMPTS = "attempts", "it has failed --max-attempts times"
    ERASED = "erased", "its session was erased after it"
    REFUSED = "refused", "the broker refuses the record, for its size or its form"

    def __new__(cls, value: str, why: str) -> Self:
        """Make the text that programs know it by, with what it means."""
        skip = str.__new__(cls, value)
        skip._value_, skip.why = value, why
        return skip


_WITHOUT_VALUE: Final = {OFFSET_TO_HEADER: Skip.UNREADABLE, CUT_HEADER: Skip.VALUE_CUT}
"""Headers that tell why a letter lacks what it would send."""


class Input(NamedTuple):
    """Where letters go back to, and how often an update may fail before it is left alone."""

    topic: str
    partitions: int
    max_attempts: int
    left: Callable[[bytes], bool] = lambda _: False
    """Whether a value is that of a command, where commands are left alone."""


Erased = Callable[[int, bytes | None, int], bool]
"""Whether a key was erased behind an offset of an input partition, as far as it is known."""


class Redriven(NamedTuple):
    """A letter and the input record that it becomes."""

    letter: DeadLetter
    record: Outgoing


def decide(record: Record, letter: DeadLetter, to: Input, erased: Erased) -> Redriven | Skip:
    """Return the record that goes to the input, or why none does; `erased` is asked last.

    It has the letter's key, value and headers, without what the processor added to them, and the
    time of its sending: a topic that keeps records for a time would delete an old one at once.
    """
    skip = _without_origin(letter, to) or _unwanted(record, to)
    if skip is not None:
        return skip
    _, source, offset = letter.source
    partition, failed = int(source), attempts(record.headers)
    if erased(partition, record.key, int(offset)):
        return Skip.ERASED
    headers = [*stripped(record.headers), (ATTEMPT_HEADER, str(failed + 1).encode())]
    return Redriven(
        letter,
        Outgoing(Topic.UPDATES, partition, NO_TIMESTAMP, record.key, record.value, headers),
    )


def _without_origin(letter: DeadLetter, to: Input) -> Skip | None:
    """Return why nothing tells where the letter is to go."""
    topic, partition, offset = letter.source
    if not topic or not _PARTITION.fullmatch(partition) or not _OFFSET.fullmatch(offset):
        return Skip.NO_ORIGIN
    if topic != to.topic:
        return Skip.OTHER_TOPIC
    return Skip.NO_PARTITION if int(partition) >= to.partitions else None


def _unwanted(record: Record, to: Input) -> Skip | None:
    """Return why what the letter has is not sent."""
    for name, _ in record.headers:
        if name in _WITHOUT_VALUE:
            return _WITHOUT_VALUE[name]
    if record.value is not None and to.left(record.value):
        return Skip.COMMAND
    return Skip.ATTEMPTS if attempts(record.headers) >= to.max_attempts else None


def attempts(headers: Headers) -> int:
    """Return how often an update has failed, from the headers of its letter.

    A counter that is no number was not written by a redrive, and counts for nothing.
    """
    found = [
        int(value)
        for name, value in headers
        if name == ATTEMPT_HEADER and value is not None and _NUMBER.fullmatch(value)
    ]
    return max(found, default=1)


def stripped(headers: Headers) -> Headers:
    """Return the headers without those that the processor adds, in their order."""
    return [(name, value) for name, value in headers if name not in _OURS]
