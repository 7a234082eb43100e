"""What became of an update."""

from enum import StrEnum
from typing import NamedTuple

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


Outcome = Accepted | Duplicate | Rejected
