"""The JSON Schema of updates in a registry, where JSON is on."""

from pathlib import Path
from typing import Final, NamedTuple

from processor.avro.schemas import UPDATE, Schema
from processor.config import Settings
from processor.formats.json_schema import differences, read_json_schema, same
from processor.formats.names import AVRO_ALONE
from processor.ports.registry import JSON, Registered, Registry

KIND: Final = "JSON Schema"


class Checked(NamedTuple):
    """What the schema was compared with, and what of that breaks."""

    against: str
    direction: str
    breaks: str


def is_on(settings: Settings) -> bool:
    """Whether updates may come in JSON."""
    return settings.input_formats != AVRO_ALONE


def subject(settings: Settings) -> str:
    """Return where the schema is registered: by topic and record, since the topic's has Avro's."""
    return f"{settings.updates_topic}-{UPDATE}"


def register(settings: Settings, registry: Registry) -> tuple[int, Registered | None]:
    """Register this version's schema; return its id, and what there was of it before."""
    text, name = read_json_schema(), subject(settings)
    versions = reversed(registry.versions(name))
    found = next((each for each in versions if each.kind == JSON and same(each.text, text)), None)
    return (registry.register(name, text, JSON) if found is None else found.schema_id), found


def check(
    settings: Settings, registry: Registry | None, directory: Path | None, avro: Schema
) -> list[Checked]:
    """Compare the schema with Avro's beside it; a registry has its say where it has a version."""
    text = read_json_schema(directory)
    told = "; ".join(differences(text, avro))
    found = [Checked("SessionUpdate.avsc", "same fields", told)]
    name = subject(settings)
    if registry is not None and registry.versions(name):
        what = "" if registry.takes(name, text, JSON) else "the registry refuses it"
        found.append(Checked(f"{name} in the registry", registry.level(name), what))
    return found
