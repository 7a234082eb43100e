"""Which session, profiles and identifiers a record names."""

from collections.abc import Sequence
from typing import NamedTuple

from processor.avro.codec import CommandCodec, SnapshotCodec
from processor.avro.framing import DecodeError
from processor.core.session import profile_key, session_key
from processor.erasure.ids import Sought
from processor.formats.updates import Updates
from processor.ports.log import Record


class Named(NamedTuple):
    """What a value names."""

    session: str
    """Its key by the value, which a rejected record's own key may contradict."""
    profiles: Sequence[str]
    """The keys of their claims."""
    identifiers: Sequence[str]
    answers: int = -1
    """Of a snapshot, the input offset of the update that it answers."""
    is_command: bool = False

    def is_sought(self, sought: Sought) -> bool:
        """Whether a profile or an identifier is."""
        return any(map(sought.profile, self.profiles)) or any(
            map(sought.identifier, self.identifiers)
        )


class Values(NamedTuple):
    """How values are read."""

    updates: Updates
    commands: CommandCodec
    snapshots: SnapshotCodec

    def of_snapshot(self, value: bytes) -> Named:
        """Return what a snapshot names. Raises FailClosed where it cannot be read."""
        session = self.snapshots.read(value)
        profile = profile_key(session.application_id, session.profile_id)
        return Named(
            session_key(session.application_id, session.integration_id),
            (profile,) if session.profile_id else (),
            session.identifiers,
            session.input_offset,
        )

    def of_input(self, record: Record) -> Named | None:
        """Return what an update or a command names, valid or not; None where it cannot be read."""
        try:
            if self.commands.is_command(record.value or b""):
                command = self.commands.read(record.value or b"", 0)
                key = session_key(command.application_id, command.integration_id)
                return Named(key, command.profiles, (), is_command=True)
            update = (
                self.updates.of_any_format().read(record.value or b"", record.headers, 0).update
            )
        except DecodeError:
            return None
        profile = profile_key(update.application_id, update.profile_id or "")
        return Named(
            session_key(update.application_id, update.integration_id),
            (profile,) if update.profile_id else (),
            update.identifiers or (),
        )


def key_of(record: Record) -> str:
    """Return a record's key as text; empty where there is none, or none that a session has."""
    try:
        return (record.key or b"").decode()
    except UnicodeDecodeError:
        return ""
