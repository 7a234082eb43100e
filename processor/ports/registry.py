"""The schema registry: what framing needs of it, and the commands that write to it.

Every question is one HTTP request and blocks for a few seconds at most. Where there is no answer,
or one that time may heal (5xx, 429), it raises `RegistryUnavailable`; refused credentials and
permissions are `Forbidden`. That something does not exist is an answer.
"""

from typing import Final, Literal, NamedTuple, Protocol
from uuid import UUID

from processor.ports.servers import ServerUnavailable

SchemaId = int | UUID
"""What a framed value names its schema by: a number of 32 bits without sign, or a GUID."""


class RegistryUnavailable(ServerUnavailable):
    """The registry did not answer, or cannot answer now; nothing can be said of a schema then."""

    server = "registry"


Level = Literal[
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
    "NONE",
]
"""What a new version of a subject must go together with."""

AVRO: Final = "AVRO"
JSON: Final = "JSON"


class Reference(NamedTuple):
    """A schema that another one refers to by a name, and where the registry has it."""

    name: str
    subject: str
    version: int


class SchemaText(NamedTuple):
    """A schema's text, what kind of schema it is, and the others that it refers to."""

    text: str
    kind: str = AVRO
    references: tuple[Reference, ...] = ()


class Registered(NamedTuple):
    """One version of a subject: the schema's number in the registry, and its text."""

    schema_id: int
    version: int
    text: str
    kind: str = AVRO
    references: tuple[Reference, ...] = ()


class Registry(Protocol):
    """A registry of schemas. Remembers nothing: callers do, within their bounds."""

    def schema(self, schema_id: SchemaId) -> SchemaText | None:
        """Return a schema, whatever its kind is, None where there is none."""

    def versions(self, subject: str) -> list[Registered]:
        """Return a subject's versions, the oldest first; none where there is no such subject."""

    def version(self, subject: str, number: int) -> SchemaText | None:
        """Return one version, also one that is deleted as far as the registry still has it."""

    def level(self, subject: str) -> str:
        """Return the compatibility that the subject is held to, as `BACKWARD` or `NONE`."""

    def hold_to(self, subject: str, level: Level) -> None:
        """Set the compatibility of a subject that has versions."""

    def takes(self, subject: str, text: str, kind: str = AVRO) -> bool:
        """Whether the schema could be registered beside the subject's versions."""

    def register(self, subject: str, text: str, kind: str = AVRO) -> int:
        """Register a schema, return its number. Raises IncompatibleSchema where it is refused."""


def subject(topic: str) -> str:
    """Return the subject of a topic's values, by topic name."""
    return f"{topic}-value"
