"""The processes of a deployment, each with where its endpoint answers, as they announce it."""

from typing import NamedTuple, Protocol


class Member(NamedTuple):
    """What a process announces of itself."""

    process: str
    """Its own name, of letters and digits: no other that is there has it."""
    url: str
    """Where its endpoint is: `{url}/status` answers."""
    host: str
    """The machine that it runs on; a `url` on a loopback address means that one."""


class Members(Protocol):
    """Where processes announce themselves. Raises what a `Directory` does."""

    def announce(self, member: Member, lease: int) -> None:
        """Say that a process is there for so many milliseconds; to be repeated within them."""

    def withdraw(self, process: str) -> None:
        """Say that a process is there no more."""

    def announced(self) -> list[Member]:
        """Return the processes that are there, in the order of their names."""
