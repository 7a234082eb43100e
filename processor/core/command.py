"""Commands: records of the input that end a session. The contract's "Commands"."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from processor.core.outcome import Ended, PassedOver
from processor.core.session import Session, in_schema, profile_key, session_key
from processor.core.shown import shown
from processor.core.validate import wrong_identity

CommandName = Literal["expire", "erase"]

MAX_PROFILES: Final = 100
"""How many profiles each of an erase's lists may name."""
MAX_EVENT_ID: Final = 4_096
"""Bytes of UTF-8 in a command's event id: it goes whole into a header of the end."""
OWNERLESS: Final = ""
"""The holder of a profile whose first session was erased: no session is its first any more."""


class SessionCommand(NamedTuple):
    """A SessionCommand record, in the order of its schema; each command has its own fields.

    `event_time` is in milliseconds since 1970. `offset` is the record's offset in its input
    partition, -1 where it has none as yet.
    """

    event_id: str
    event_time: int
    application_id: int
    integration_id: str
    command: CommandName
    input_offset: int | None = None
    state: str | None = None
    forget: Sequence[str] | None = None
    release: Sequence[str] | None = None
    offset: int = -1

    @property
    def profiles(self) -> list[str]:
        """The keys of the profiles that it names."""
        return [*_keys(self, self.forget), *_keys(self, self.release)]


def wrong_command(command: SessionCommand) -> str | None:
    """Return what is wrong with a command by rule 3, for people, None for a sound one."""
    wrong = wrong_identity(command)
    if wrong:
        return wrong
    if len(command.event_id.encode()) > MAX_EVENT_ID:
        return f"eventId has more than {MAX_EVENT_ID} bytes"
    expire = ("input_offset", "state")
    erase = ("forget", "release")
    own, other = (expire, erase) if command.command == "expire" else (erase, expire)
    for name in other:
        if getattr(command, name) is not None:
            return f"an {command.command} has no {in_schema(name)}"
    for name in own:
        if getattr(command, name) is None:
            return f"an {command.command} without {in_schema(name)}"
    if command.command == "expire":
        return None if (command.input_offset or 0) >= 0 else "inputOffset is below 0"
    return _wrong_profiles(command)


def _wrong_profiles(command: SessionCommand) -> str | None:
    for name in ("forget", "release"):
        profiles = getattr(command, name)
        if len(profiles) > MAX_PROFILES:
            return f"{name} has {len(profiles)} profiles, more than {MAX_PROFILES}"
        if "" in profiles:
            return f"{name} has an empty profile id"
    both = sorted(set(command.forget or ()) & set(command.release or ()))
    return f"{shown(both[0])} is to be forgotten and to be released" if both else None


def fold_command(
    session: Session | None, command: SessionCommand, holders: Mapping[str, str]
) -> Ended | PassedOver:
    """Return what becomes of a sound command.

    `session` is the state before it, None when there is none. `holders` has the session that holds
    the claim on each of the command's profiles, by their keys, where anybody does.
    """
    if command.command == "expire":
        seen = command.input_offset, command.state
        if session is None or (session.input_offset, session.state) != seen:
            return PassedOver()
        return Ended(session.version, {})
    own = session_key(command.application_id, command.integration_id), OWNERLESS
    forgotten = dict.fromkeys(_keys(command, command.forget))
    released = dict.fromkeys(_keys(command, command.release), OWNERLESS)
    claims = {
        profile: after
        for profile, after in {**forgotten, **released}.items()
        if holders.get(profile) in own
    }
    if session is None and not claims:
        return PassedOver()
    return Ended(None if session is None else session.version, claims)


def _keys(command: SessionCommand, profiles: Sequence[str] | None) -> list[str]:
    return [profile_key(command.application_id, profile) for profile in profiles or ()]
