"""The end of a session: a tombstone of the output that says which command made it."""

from typing import Final, NamedTuple

from processor.core.command import SessionCommand
from processor.ports.log import Headers

_PREFIX: Final = "session-processor."
ENDED_BY: Final = _PREFIX + "ended-by"
INPUT_OFFSET: Final = _PREFIX + "input-offset"
EVENT_ID: Final = _PREFIX + "event-id"
VERSION: Final = _PREFIX + "version"


class End(NamedTuple):
    """What a tombstone says of itself."""

    command: str
    """`expire` or `erase`."""
    input_offset: int
    """The command's offset in the input partition."""
    event_id: str
    """The command's."""
    version: int
    """The version that it ended."""

    def headers(self) -> Headers:
        """Return the tombstone's headers, each value in UTF-8."""
        names = (ENDED_BY, INPUT_OFFSET, EVENT_ID, VERSION)
        return [(name, str(value).encode()) for name, value in zip(names, self, strict=True)]


def end_by(command: SessionCommand, version: int) -> End:
    """Return the end that a command makes of the session's last version."""
    return End(command.command, command.offset, command.event_id, version)


def end_of(headers: Headers) -> End | None:
    """Return what a tombstone's headers say, None for one that is not the processor's."""
    held = dict(headers)
    try:
        texts = {name: (held[name] or b"").decode() for name in (ENDED_BY, EVENT_ID)}
        offset, version = int(held[INPUT_OFFSET] or b""), int(held[VERSION] or b"")
    except (KeyError, ValueError):
        return None
    return End(texts[ENDED_BY], offset, texts[EVENT_ID], version)
