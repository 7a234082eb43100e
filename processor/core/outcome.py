"""What became of an update."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from processor.core.session import Session


class Reason(StrEnum):
    """Why an update was dead-lettered, in the order in which the rules are asked."""

    UNDECODABLE = "undecodable"
    KEY_MISMATCH = "key-mismatch"
    INVALID_VALUE = "invalid-value"
    UNKNOWN_SESSION = "unknown-session"
    TRANSITION_NOT_ALLOWED = "transition-not-allowed"
    SESSION_NOT_OPEN = "session-not-open"
    TOO_LARGE = "too-large"


ENDED: Final = "ended"
PASSED_OVER: Final = "passed-over"


class Accepted(NamedTuple):
    """The session after the update. `claim` is the profile that it takes as its first, if any."""

    session: Session
    claim: str | None


class Duplicate(NamedTuple):
    """The session remembers the event id: neither a snapshot nor a dead letter."""


class Rejected(NamedTuple):
    """The update changes nothing and becomes a dead letter; `message` is for people."""

    reason: Reason
    message: str
    command: bool = False
    """Whether it is of a command."""
    event_id: str = ""
    """Its event id, empty where that cannot be read."""


class Ended(NamedTuple):
    """What a command ended."""

    version: int | None
    """The version of the session's last snapshot, None where only claims were left of it."""
    claims: Mapping[str, str | None]
    """Claims that change, by profile: None removes one, an empty holder leaves it ownerless."""

    @property
    def name(self) -> str:
        """What counts of it are known by."""
        return ENDED


class PassedOver(NamedTuple):
    """The command found nothing to do: a count and nothing else."""

    @property
    def name(self) -> str:
        """What counts of it are known by."""
        return PASSED_OVER


Outcome = Accepted | Duplicate | Rejected
