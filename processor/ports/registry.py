"""The schema registry: what framing needs of it, and the commands that write to it.

Every question is one HTTP request and blocks for a few seconds at most. Where there is no answer,
or one that time may heal (5xx, 429), it raises `RegistryUnavailable`; refused credentials and
permissions are `Forbidden`. That something does not exist is an answer.
"""

from typing import Final, NamedTuple, Protocol
from uuid import UUID

from processor.ports.servers import ServerUnavailable

SchemaId = int | UUID
"""What a framed value names its schema by: a number of 32 bits without sign, or a GUID."""


class RegistryUnavailable(ServerUnavailable):
    """The registry did not answer, or cannot answer now; nothing can be said of a schema then."""

    server = "registry"


AVRO: Final = "AVRO"
JSON: Final = "JSON"


class SchemaText(NamedTuple):
    """A schema's text, and what kind of schema it is, as the registry says it."""

    text: str
    kind: str = AVRO


class Registered(NamedTuple):
    """One version of a subject: the schema's number in the registry, and its text."""

    schema_id: int
    version: int
    text: str
    kind: str = AVRO


class Registry(Protocol):
    """A registry of schemas. Remembers nothing: callers do, within their bounds."""

    def schema(self, schema_id: SchemaId) -> SchemaText | None:
        """Return a schema, whatever its kind is, None where there is none."""

    def versions(self, subject: str) -> list[Registered]:
        """Return a subject's versions, the oldest first; none where there is no such subject."""

    def level(self, subject: str) -> str:
        """Return the compatibility that the subject is held to, as `BACKWARD` or `NONE`."""

    def takes(self, subject: str, text: str, kind: str = AVRO) -> bool:
        """Whether the schema could be registered beside the subject's versions."""

    def register(self, subject: str, text: str, kind: str = AVRO) -> int:
        """Register a schema, return its number. Raises IncompatibleSchema where it is refused."""


def subject(topic: str) -> str:
    """Return the subject of a topic's values, by topic name."""
    return f"{topic}-value"
