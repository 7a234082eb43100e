"""Which snapshots are too old to stand, and the command that ends such a session."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from processor.core.command import SessionCommand
from processor.core.session import Session, State
from processor.errors import FailClosed
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


class Unreadable:
    """Counts snapshots that cannot be read."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""
        """Where the first one stands, `partition:offset`, and why it cannot be read."""

    def __call__(self, record: Record, why: FailClosed) -> None:
        """Count one."""
        self.count += 1
        self.first = self.first or f"{record.partition}:{record.offset}: {why}"


def stale(
    records: Sequence[Record],
    keep: Keep,
    now_ms: int,
    session_of: Callable[[bytes], Session],
    unreadable: Unreadable,
) -> dict[bytes, tuple[Record, Stale] | None]:
    """Return, by key, what is due of a chunk's last records; None: the key's is not.

    Only what is older than the shortest time is read. Of what `session_of` raises FailClosed for,
    `unreadable` takes note, and it is not due.
    """
    last = {record.key: record for record in records if record.key is not None}
    newest = now_ms - min(keep.values())
    found = dict[bytes, tuple[Record, Stale] | None]()
    for key, record in last.items():
        found[key] = None
        if record.value is not None and NO_TIMESTAMP < record.timestamp <= newest:
            try:
                session = session_of(record.value)
            except FailClosed as why:
                unreadable(record, why)
                continue
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
