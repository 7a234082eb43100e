"""The registry of the settings, and the schema that this version writes with, as it has it."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from processor.avro.compatibility import same_to_readers
from processor.avro.definition import SchemaError
from processor.avro.framing import confluent
from processor.avro.schemas import Schema, read_schema
from processor.config import Settings
from processor.errors import ConfigError
from processor.ports.registry import Registered, Registry, SchemaId, subject
from processor.registry.confluent import TIMEOUT_S, Access, ConfluentRegistry
from processor.registry.references import whole_text

SINGLE_OBJECT: Final = "single-object"
_FRAMINGS: Final = {"value": "schema-id", "headers": "schema-id-headers"}


def registry_of(settings: Settings, timeout: float = TIMEOUT_S) -> ConfluentRegistry | None:
    """Return the registry that is configured, None where there is none. Nothing is asked yet.

    A question that is not answered within `timeout` seconds has failed.
    """
    if settings.schema_registry_url is None:
        return None
    password, ca_file = settings.schema_registry_password, settings.schema_registry_ca_file
    return ConfluentRegistry(
        Access(
            settings.schema_registry_url,
            settings.schema_registry_user,
            None if password is None else password.get_secret_value(),
            None if ca_file is None else str(ca_file),
        ),
        timeout,
    )


def framing_of(settings: Settings) -> str:
    """Return how the output is framed, as the commit metadata names it."""
    if settings.schema_registry_url is None:
        return SINGLE_OBJECT
    return _FRAMINGS[settings.schema_id_location]


class Own(NamedTuple):
    """A topic's subject: what stands before the values that this version writes, and the rest."""

    header: bytes
    texts: dict[str, str]
    """The JSON of each version, by its number in decimal."""
    schemas: Mapping[SchemaId, Schema]


def own(registry: Registry, topic: str, writer: Schema) -> Own:
    """Look the writer's schema up under the topic's subject.

    Raises ConfigError where it is not registered, and what the registry raises.
    """
    name = subject(topic)
    versions = whole_versions(registry, name)
    found = registered(versions, writer)
    if found is None:
        raise ConfigError(
            f"the schema registry does not have this version's {writer.name} under {name}",
            hint="Run `session-processor schemas register`; `schemas check` tells what it breaks.",
        )
    read = ((each.schema_id, _usable(each)) for each in versions)
    schemas: dict[SchemaId, Schema] = {number: each for number, each in read if each is not None}
    texts = {str(each.schema_id): each.text for each in versions}
    return Own(confluent(found.schema_id), texts, schemas)


def whole_versions(registry: Registry, name: str) -> list[Registered]:
    """Return a subject's versions, each as one text, but for those that cannot be made one."""
    return [each._replace(text=_whole(registry, each)) for each in registry.versions(name)]


def _whole(registry: Registry, version: Registered) -> str:
    try:
        return whole_text(registry.version, version)
    except SchemaError:
        return version.text  # whoever needs the version says what is wrong


def registered(versions: Sequence[Registered], writer: Schema) -> Registered | None:
    """Return the newest version whose values are the writer's, byte by byte.

    Documentation and spaces make another text of one schema.
    """
    for each in reversed(versions):
        schema = _usable(each)
        if schema is not None and same_to_readers(writer, schema):
            return each
    return None


def _usable(version: Registered) -> Schema | None:
    try:
        return read_schema(version.text)
    except SchemaError:
        return None
