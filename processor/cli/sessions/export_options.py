"""What `sessions export` is asked for: the format, by the file's name, and from where on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Final, Literal, cast, get_args

import typer

from processor.cli.common.new_file import STANDARD_OUTPUT
from processor.cli.common.places import is_places, places_of
from processor.cli.common.times import FORMS, time_of
from processor.cli.common.topic_reader import TopicReader
from processor.errors import InputError
from processor.ports.log import Topic

Format = Literal["parquet", "avro", "jsonl"]
Compression = Literal["deflate", "snappy", "none"]

_COMPRESSED: Final[Mapping[Format, tuple[Compression, ...]]] = {
    "parquet": ("snappy", "none"),
    "avro": ("deflate", "none"),
    "jsonl": ("none",),
}
"""How each format can be compressed; the first is what it is by default."""
_SINCE: Final = "--since"
_OF: Final = "@"
"""Between the topic's id and its offsets; the id may be left out."""

Extents = Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported, and how; the options stand in this order in the command's help."""

    form: Annotated[
        Format | None,
        typer.Option(
            "--format", help="By default what the file's name ends in; avro to standard output."
        ),
    ] = None
    every: Annotated[
        bool, typer.Option("--all", help="Every snapshot that the topic has, not the latest ones.")
    ] = False
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="OFFSETS|TIME",
            help="Only from there on: what an export told as next, or P:O,… alone; or an update's "
            f"time; {FORMS}.",
        ),
    ] = None
    ends: Annotated[
        bool, typer.Option("--ends", help="With --all: a row for each end of a session, too.")
    ] = False
    compression: Annotated[
        Compression | None,
        typer.Option(help="By default deflate for avro, snappy for parquet, none for jsonl."),
    ] = None


def format_of(file: str, asked: Format | None) -> Format:
    """Return the format that a file's name and `--format` say. Raises InputError."""
    if file == STANDARD_OUTPUT:
        return asked or "avro"
    named = PurePath(file).suffix.lower().removeprefix(".")
    if not named and asked is not None:
        return asked
    if named in get_args(Format) and asked in {None, named}:
        return cast("Format", named)
    wanted = asked or "parquet, avro or jsonl"
    ends = f"ends in .{named}" if named else "has no ending that tells the format"
    raise InputError(
        f"{file} {ends}" + (f", and --format is {asked}" if asked and named else ""),
        hint=f"name it after its format: {PurePath(file).stem}.{wanted}; or give --format alone, "
        "with a name that has no ending",
    )


def compression_of(form: Format, asked: Compression | None) -> Compression:
    """Return how the file is compressed. Raises InputError."""
    can = _COMPRESSED[form]
    if asked is not None and asked not in can:
        raise InputError(
            f"{form} is not compressed by {asked} here", hint=f"it can be: {', '.join(can)}"
        )
    return asked or can[0]


def check_ends(form: Format, *, every: bool, ends: bool) -> None:
    """Refuse ends where there can be no rows of them. Raises InputError."""
    if ends and not every:
        raise InputError("--ends needs --all", hint="without it, what has ended is left out")
    if ends and form == "avro":
        raise InputError(
            "a record of avro is a CustomerSession, which an end is not",
            hint="take parquet or jsonl, or leave out --ends",
        )


def since(
    reader: TopicReader, text: str, extents: Extents, tell: Callable[[str], object]
) -> dict[int, tuple[int, int]]:
    """Return where each partition is read from, and to; `tell` is told what is gone by now.

    A partition to which the offsets say nothing is read from its start: it may be new. Raises
    InputError and NotFound.
    """
    found: dict[int, tuple[int, int]] = {}
    topic, named, text = text.strip().rpartition(_OF)
    if named and topic != reader.topic_id():
        raise InputError(
            f"{_SINCE}: these are offsets of the topic with the id {topic}, which this is not",
            hint="is it another topic, or was it created again? Without --since all is exported",
        )
    if not named and not is_places(text):
        moment = time_of(_SINCE, text) or 0
        for partition, (start, end) in extents.items():
            first = reader.coordination.offset_at(partition, moment, Topic.SESSIONS)
            found[partition] = min(end, max(start, first)), end
        return found
    places = places_of(_SINCE, text)
    reader.extents(sorted(places))
    for partition, (start, end) in extents.items():
        asked = places.get(partition, start)
        if asked > end:
            raise InputError(
                f"{_SINCE}: partition {partition} ends at {end}, before {asked}",
                hint="are these offsets of another topic? Without --since all is exported",
            )
        if asked < start:
            tell(f"partition {partition} begins at {start}: what it had from {asked} on is gone")
        found[partition] = max(asked, start), end
    return found


def offsets(topic: str, places: Mapping[int, int]) -> str:
    """Return offsets of the topic with this id as `--since` takes them."""
    return topic + _OF + ",".join(f"{each}:{offset}" for each, offset in places.items())
