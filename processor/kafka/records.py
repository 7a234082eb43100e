"""Messages as records."""

from functools import partial
from typing import Final

from confluent_kafka import Message

from processor.ports.log import HEADERS_UNREADABLE, Headers, Record

_record: Final = partial(tuple.__new__, Record)
UNREADABLE_HEADERS: Final = ((HEADERS_UNREADABLE, None),)


def to_record(message: Message) -> Record:
    """Return a message that is not an error as a record."""
    headers: Headers
    try:
        headers = message.headers() or ()  # type: ignore[assignment]  # never a dict, never text
    except SystemError:
        # confluent-kafka cannot make a text of the name, and to ask it again may crash the process.
        headers = UNREADABLE_HEADERS
    return _record(
        (
            message.partition() or 0,
            message.offset() or 0,
            message.timestamp()[1],
            message.key(),
            message.value(),
            headers,
        )
    )
