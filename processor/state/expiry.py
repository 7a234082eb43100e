"""Which snapshots are too old to stand, and the command that ends such a session."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from processor.core.command import SessionCommand
from processor.core.session import Session, State
from processor.ports.log import NO_TIMESTAMP, Record

Keep = Mapping[State, int]
"""For how many milliseconds since its last snapshot a session of this state is kept; a state that
is not named, for ever."""


class Stale(NamedTuple):
    """A session that is due, as its last snapshot has it; `timestamp` is the record's, in ms."""

    key: bytes
    input_offset: int
    state: State
    timestamp: int


def stale(
    records: Sequence[Record], keep: Keep, now_ms: int, session_of: Callable[[bytes], Session]
) -> dict[bytes, tuple[Record, Stale] | None]:
    """Return, by key, what is due of a chunk's last records; None: the key's is not.

    Only what is older than the shortest time is read. Raises what `session_of` does.
    """
    last = {record.key: record for record in records if record.key is not None}
    newest = now_ms - min(keep.values())
    found = dict[bytes, tuple[Record, Stale] | None]()
    for key, record in last.items():
        found[key] = None
        if record.value is not None and NO_TIMESTAMP < record.timestamp <= newest:
            session = session_of(record.value)
            if now_ms - record.timestamp >= keep.get(session.state, now_ms + 1):
                due = Stale(key, session.input_offset, session.state, record.timestamp)
                found[key] = record, due
    return found


def expire(session: Stale, sender: str, partition: int, now_ms: int) -> SessionCommand:
    """Return the command: what stands before it in the log, wins.

    Its event id names who sent it, and the snapshot: the same each time.
    """
    application, _, integration = session.key.decode().partition(":")
    return SessionCommand(
        event_id=f"{sender}/{partition}/{session.input_offset}",
        event_time=now_ms,
        application_id=int(application),
        integration_id=integration,
        command="expire",
        input_offset=session.input_offset,
        state=session.state,
    )
