"""`schemas`: registering them, and whether a changed one goes together with those there are."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from processor.avro.compatibility import NOT_WRITTEN, losses, same_to_readers
from processor.avro.definition import SchemaError
from processor.avro.schemas import (
    COMMAND,
    Known,
    Schema,
    load_schemas,
    read_reader_file,
    read_schema,
)
from processor.cli.common.output import Json, emit, note, settings_from
from processor.cli.common.reach import answering
from processor.config import Settings
from processor.errors import ConfigError, IncompatibleSchema
from processor.ports.registry import Level, Registered, Registry, subject
from processor.registry import updates_schema
from processor.registry.own import registered, registry_of, whole_versions
from processor.registry.references import whole_text

_ANSWER_S: Final = 15.0
"""Who types a command waits longer than a loop may."""

app = typer.Typer(
    name="schemas",
    no_args_is_help=True,
    help="The schemas of input and output: register them, see whether a change breaks a reader.",
)

_BACKWARD: Final = "backward"
_FORWARD: Final = "forward"
_FULL: Final = (_BACKWARD, _FORWARD)
_UNKNOWN: Final = "not compared"
_DIRECTIONS: Final = {"BACKWARD": (_BACKWARD,), "FORWARD": (_FORWARD,), "FULL": _FULL, "NONE": ()}


@app.command()
def register(
    ctx: typer.Context,
    *,
    compatibility: Annotated[
        Level | None,
        typer.Option(
            help="The level to hold these subjects to from now on; left as it is by default."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Register the schemas of updates and snapshots under the subjects of input and output topic.

    The service never does: it looks its schema up at the start, and stops where it is not there.
    What is registered already stays as it is. The subject of a topic is its name with -value.
    Commands are in single-object encoding alone: their schema is not registered. Where
    PROCESSOR_INPUT_FORMATS has more than Avro, the JSON Schema of updates is, under the topic's
    name and -SessionUpdate.
    A schema that the registry refuses is not registered; the exit code is 13.

    Example: session-processor schemas register --schema-registry-url http://registry:8081
    """
    settings = settings_from(ctx)
    rows = []
    with answering():
        registry = _registry(settings)
        for topic in _topics(settings):
            found = registered(whole_versions(registry, topic.subject), topic.schema)
            number = (
                registry.register(topic.subject, topic.schema.text)
                if found is None
                else found.schema_id
            )
            rows.append(_registered_row(topic.subject, topic.schema.name, number, found))
        if updates_schema.is_on(settings):
            number, found = updates_schema.register(settings, registry)
            name = updates_schema.subject(settings)
            rows.append(_registered_row(name, updates_schema.KIND, number, found))
        for row in rows:
            name = str(row["subject"])
            if compatibility is not None:  # not before: a registry may want the subject for it
                registry.hold_to(name, compatibility)
            row["compatibility"] = registry.level(name)
    emit(rows, as_json=as_json)


def _registered_row(
    name: str, schema: str, number: int, before: Registered | None
) -> dict[str, object]:
    known = "now" if before is None else "before"
    return {"subject": name, "schema": schema, "id": number, "registered": known}


@app.command()
def check(
    ctx: typer.Context,
    *,
    directory: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="Where the changed SessionUpdate.avsc and CustomerSession.avsc are, and a changed "
            "SessionCommand.avsc, if there is one; those of this version by default.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether schemas go together with those that values were and are written with.

    Backward: the changed schema reads what was written, which the service needs of all. Forward:
    who reads with the present schema reads what the changed one will write, which readers need of
    CustomerSession, and this version of the service of the input. A field by another name breaks
    too: no reader would see it, and its values would be lost. A new field of SessionUpdate without
    a default does not: the service reads such updates; who reads by the changed schema would break.
    With a schema registry also what the level of the subject asks, in comparison
    with the subject's last version (all of them for a TRANSITIVE level), and the registry has its
    say. Without one, or for a subject without versions, the comparison is with the schemas of this
    version and those in schemas/history: for SessionCommand, which has no subject, it always is.
    Where PROCESSOR_INPUT_FORMATS has more than Avro, SessionUpdate.schema.json must have the same
    fields, and the registry takes it.
    Exits with 13 where something breaks, or cannot be compared.

    Example: session-processor schemas check --directory schemas
    """
    settings = settings_from(ctx)
    with answering():
        rows = [*checked(settings, directory)]
    emit((row._asdict() for row in rows), as_json=as_json)
    _require_sound(rows)
    note("nothing breaks", as_json=as_json)


def _require_sound(rows: Iterable["_Row"]) -> None:
    """Raise IncompatibleSchema where something breaks, or cannot be told."""
    broken = [row for row in rows if row.breaks]
    if not broken:
        return
    known = any(row.direction != _UNKNOWN for row in broken)
    places = "; ".join(dict.fromkeys(f"{row.schema}, {row.breaks}" for row in broken))
    raise IncompatibleSchema(
        f"a reader breaks: {places}" if known else f"what breaks cannot be told: {places}",
        hint="Give a new field a default, change no type but to a wider one, no unit of time "
        "and no name without an alias in who reads it; keep a field that is no longer used, with "
        "its default; or use new topics."
        if known
        else "Delete that version of the subject, or register what it refers to.",
    )


class _Topic(NamedTuple):
    subject: str
    schema: Schema
    known: Known
    needed: Sequence[str]
    is_proposed: bool = False
    """Whether it is a schema of updates that the service does not read by: some producer's."""


class _Row(NamedTuple):
    schema: str
    against: str
    direction: str
    breaks: str


def _registry(settings: Settings) -> Registry:
    registry = registry_of(settings, _ANSWER_S)
    if registry is None:
        raise ConfigError(
            "no schema registry is configured",
            hint="Set PROCESSOR_SCHEMA_REGISTRY_URL, for example "
            "http://registry:8080/apis/ccompat/v7.",
        )
    return registry


def _topics(settings: Settings, directory: Path | None = None) -> list[_Topic]:
    schemas = load_schemas(settings.schemas_dir)
    parts = (
        (settings.updates_topic, schemas.updates, (_BACKWARD,)),
        (settings.sessions_topic, schemas.snapshots, _FULL),
    )
    topics = []
    for topic, known, needed in parts:
        schema = known.reader
        if directory is not None:
            schema = read_reader_file(directory / f"{schema.name.rpartition('.')[2]}.avsc")
        proposed = topic == settings.updates_topic and not same_to_readers(known.reader, schema)
        topics.append(_Topic(subject(topic), schema, known, needed, proposed))
    return topics


def _commands(settings: Settings, directory: Path | None) -> _Topic:
    """Return what there is to compare of commands, which no registry has."""
    known = load_schemas(settings.schemas_dir).commands
    file = None if directory is None else directory / f"{COMMAND}.avsc"
    schema = read_reader_file(file) if file is not None and file.exists() else known.reader
    return _Topic("", schema, known, (_BACKWARD,))


def checked(settings: Settings, directory: Path | None) -> Iterator[_Row]:
    """Yield what was compared, with what breaks."""
    registry = registry_of(settings, _ANSWER_S)
    updates, snapshots = _topics(settings, directory)
    commands = _commands(settings, directory)
    for topic in (updates, snapshots):
        rows = [] if registry is None else [*_by_registry(registry, topic)]
        yield from rows or _by_history(topic)
    yield from _by_history(commands)
    for topic in (updates, commands):
        yield from _by_service(topic)
    if registry is None:
        _note_unknown(updates)
    if updates_schema.is_on(settings):
        for each in updates_schema.check(settings, registry, directory, updates.schema):
            yield _Row(updates_schema.KIND, *each)


def _by_registry(registry: Registry, topic: _Topic) -> Iterator[_Row]:
    """Compare with a subject's versions; where nothing breaks, the registry has the last word.

    Yields nothing where the subject has no version.
    """
    versions = registry.versions(topic.subject)
    if not versions:
        return
    level = registry.level(topic.subject)
    asked = _DIRECTIONS.get(level.removesuffix("_TRANSITIVE"), _FULL)
    directions = dict.fromkeys((*topic.needed, *asked))
    compared = versions if level.endswith("_TRANSITIVE") else versions[-1:]
    found = False
    for version in compared:
        against = f"{topic.subject} version {version.version}"
        try:
            former = read_schema(whole_text(registry.version, version))
        except SchemaError as error:
            what = f"{against} cannot be compared: {error}"
            yield _Row(topic.schema.name, against, _UNKNOWN, what)
            continue
        lenient = topic.is_proposed and _BACKWARD not in asked
        for row in _compared(topic.schema, former, against, directions, lenient=lenient):
            found = found or bool(row.breaks)
            yield row
    if not found:
        taken = registry.takes(topic.subject, topic.schema.text)
        what = "" if taken else "the registry refuses it, and does not say why"
        yield _Row(topic.schema.name, f"{topic.subject} in the registry", level, what)


def _by_history(topic: _Topic) -> Iterator[_Row]:
    for key, former in topic.known.writers.items():
        against = "this version's" if former is topic.known.reader else f"fingerprint {key.hex()}"
        if not same_to_readers(former, topic.schema):
            yield from _compared(
                topic.schema, former, against, topic.needed, lenient=topic.is_proposed
            )
    if len(topic.known.writers) == 1 and same_to_readers(topic.known.reader, topic.schema):
        yield _Row(topic.schema.name, "this version's", "same", "")


def _by_service(topic: _Topic) -> Iterator[_Row]:
    """See whether this version of the service reads what the changed schema writes."""
    reader = topic.known.reader
    if not same_to_readers(reader, topic.schema):
        told = "; ".join(map(str, losses(topic.schema, reader)))
        yield _Row(topic.schema.name, "this version's", _FORWARD, told)


def _note_unknown(updates: _Topic) -> None:
    """Say what an update in single-object encoding needs, which no comparison shows."""
    fingerprint = updates.schema.fingerprint
    if fingerprint not in updates.known.writers:
        note(
            f"updates that name this {updates.schema.name} by its fingerprint {fingerprint.hex()} "
            "are undecodable until its file is in PROCESSOR_SCHEMAS_DIR of every process"
        )


def _compared(
    changed: Schema,
    former: Schema,
    against: str,
    directions: Iterable[str],
    *,
    lenient: bool = False,
) -> Iterator[_Row]:
    """Yield what breaks in each direction; `lenient` backward leaves new fields out."""
    for direction in directions:
        pair = (former, changed) if direction == _BACKWARD else (changed, former)
        # Forward it is others that read, some of them in Java.
        found = losses(*pair, by_full_names=direction == _FORWARD)
        if lenient and direction == _BACKWARD:
            found = [each for each in found if each.what != NOT_WRITTEN]
        told = "; ".join(map(str, found))
        yield _Row(changed.name, against, direction, told)
