"""What the console asks for. Documents are JSON values: what the command prints with `--json`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Document = Mapping[str, Any]
Options = Mapping[str, str]
"""What a form gave, by the option's name without its dashes; nothing in it is empty."""


class Place(NamedTuple):
    """A process that may be asked."""

    url: str
    host: str = ""
    """The machine that it announces; empty where the URL was given to the console."""


class Deployment(NamedTuple):
    """What is to be asked, and what a well deployment has."""

    places: Sequence[Place]
    partitions: int | None
    """Of the input; None where it is not known."""
    fault: str = ""
    """Why no more is known; empty where all is."""


class Source(Protocol):
    """The deployment, asked by what the commands ask with. Any thread calls it.

    Every method may block for as long as the command. They raise ProcessorError.
    """

    def deployment(self) -> Deployment:
        """Return the processes that there are. A server that is away is told in it, not raised."""

    def session(self, key: str) -> Sequence[Document]:
        """Return a session, of each partition that has it: `sessions get`. Raises NotFound."""

    def history(self, key: str, as_of: str | None) -> Sequence[Document]:
        """Return what a session was: `sessions history`. Raises NotFound, InputError."""

    def letters(self, options: Options) -> Document:
        """Return `letters`, the latest, their `total`, and the `summary` of all: `dead-letters`."""

    def letter(self, place: str) -> Document:
        """Return a letter with its session: `dead-letters show`. Raises NotFound, InputError."""

    def redrive(self, options: Options) -> Document:
        """Return what a redrive would send, and send nothing: `dead-letters redrive`."""

    def replays(self) -> Sequence[Document]:
        """Return the replays: `replay list`."""

    def replay(self, name: str) -> Sequence[Document]:
        """Return how far a replay is, by partition: `replay status`. Raises NotFound."""

    def difference(self, name: str) -> Document:
        """Return `summary`, `partitions`, `fields` and some `examples`: `replay diff`."""

    def topics(self) -> Document:
        """Return what is wrong with the topics: `topics check`."""

    def schemas(self) -> Sequence[Document]:
        """Return what is wrong with the schemas: `schemas check`."""

    def offsets(self) -> Sequence[Document]:
        """Return each partition's committed offset: `offsets show`."""
