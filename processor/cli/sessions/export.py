"""`sessions export`: published snapshots as one file."""

import json
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, BinaryIO, Final

import typer

from processor.avro.choice import chosen
from processor.avro.schemas import load_schemas
from processor.bootstrap.codecs import codecs_of
from processor.cli.common.documents import session_json
from processor.cli.common.new_file import STANDARD_OUTPUT, new_file_or_output
from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import Json, emit_one, note, progress_bar, settings_from
from processor.cli.common.reach import answering
from processor.cli.common.session_view import separate
from processor.cli.common.topic_reader import TopicReader
from processor.cli.sessions.export_options import (
    Compression,
    ExportOptions,
    Extents,
    Format,
    check_ends,
    compression_of,
    format_of,
    offsets,
    since,
)
from processor.config import Settings
from processor.export.files import AvroFile, ExportFile, JsonLines
from processor.export.latest import Places, Split, latest
from processor.export.parquet import ParquetFile, expect_pyarrow
from processor.export.read_ahead import ReadAhead
from processor.export.rows import Rows
from processor.ports.chunks import chunks_in
from processor.ports.log import Record, Topic
from processor.runtime.garbage import allocate_from_one_arena
from processor.telemetry.visible import printable

_NEXT: Final = "session-processor.next"
_SHOWN: Final = 5
"""How many sessions in several partitions are named."""

_Chunk = tuple[int, Sequence[Record]]
"""Records of a partition, behind its number."""


@takes_blocks
def command(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-", help="A new file, as sessions.parquet; - is standard output."
        ),
    ],
    *,
    asked: ExportOptions,
    as_json: Json = False,
) -> None:
    """Write sessions from the output topic to a file: Parquet, an Avro container or JSON lines.

    Each session's latest snapshot; with --all every snapshot that compaction has left, by partition
    and output offset. Only what is committed, up to the ends that the topic has at the start. A row
    is a CustomerSession, then outputKey, outputPartition, outputOffset and outputTimestamp, of its
    record. Parquet needs the extra `analytics`.

    A session whose last record is a tombstone has ended, and is left out; with --all the snapshots
    of its lives stay, each life with versions from 1, and --ends adds a row with endedBy for each
    end. Tombstones are counted. The file must not exist. It has its name when it is complete; - is
    standard output, which is no terminal.

    What it tells as `next`, also in the file's metadata, is what to give as --since for the next
    part: --all --ends tell all that happened in between, while parts are taken more often than the
    output's delete.retention.ms, after which compaction takes ends away.

    Example: session-processor sessions export sessions.parquet
    """
    settings = settings_from(ctx)
    form = format_of(file, asked.form)
    pressed = compression_of(form, asked.compression)
    check_ends(form, every=asked.every, ends=asked.ends)
    if form == "parquet":
        expect_pyarrow()
    # Each partition's client has threads of its own: what they fetched would stay in their arenas.
    allocate_from_one_arena()
    with answering(), new_file_or_output(file) as writing, closing(Places()) as places:
        reader = TopicReader(settings, Topic.SESSIONS)
        extents: Extents = reader.extents()
        if asked.since is not None:
            extents = since(reader, asked.since, extents, partial(note, as_json=as_json))
        about = _about(settings, reader.topic_id(), extents)
        with closing(ReadAhead(_read(reader, extents))) as found:
            written = _file(form, writing, settings, about, pressed)
            with closing(_chunks(found, extents, every=asked.every, as_json=as_json)) as chunks:
                counts = _write(written, chunks, places, ends=asked.ends)
        split = places.split(_SHOWN)
    _tell_split(split, as_json=as_json)
    told: dict[str, Any] = {
        "snapshots" if asked.every else "sessions": counts["snapshots"],
        "tombstones": counts["tombstones"],
        "split": split.sessions,
        "next": about[_NEXT],
    }
    _tell(told, file, as_json=as_json)


def _write(
    written: ExportFile,
    chunks: Iterable[_Chunk],
    places: Places,
    *,
    ends: bool,
) -> Counter[str]:
    """Write the chunks, with their tombstones where ends are asked for, and count both."""
    counts: Counter[str] = Counter()
    for partition, chunk in chunks:
        snapshots = [each for each in chunk if each.value is not None]
        places.met(partition, snapshots)
        rows = chunk if ends else snapshots
        if rows:
            written.add(rows)
        counts["snapshots"] += len(snapshots)
        counts["tombstones"] += len(chunk) - len(snapshots)
    written.close()
    return counts


def _file(
    form: Format,
    writing: BinaryIO,
    settings: Settings,
    about: Mapping[str, str],
    compression: Compression,
) -> ExportFile:
    codecs = codecs_of(settings)
    choice = chosen(settings.codec, load_schemas(settings.schemas_dir))
    rows = Rows(codecs.known.reader.text, codecs.snapshots, choice.export)
    if form == "parquet":
        return ParquetFile(writing, rows, about, snappy=compression == "snappy")
    if form == "avro":
        return AvroFile(writing, rows, about, deflate=compression == "deflate")
    return JsonLines(writing, rows, session_json)


def _about(settings: Settings, topic_id: str, extents: Extents) -> dict[str, str]:
    """Return what a file says of itself."""
    told_of = partial(offsets, topic_id)
    return {
        "session-processor.topic": settings.sessions_topic,
        "session-processor.since": told_of({each: at for each, (at, _) in extents.items()}),
        _NEXT: told_of({each: end for each, (_, end) in extents.items()}),
    }


def _read(reader: TopicReader, extents: Extents) -> Iterator[_Chunk]:
    for partition, (start, end) in extents.items():
        for chunk in reader.chunks(partition, start, end):
            yield partition, chunk


def _chunks(
    found: Iterator[_Chunk], extents: Extents, *, every: bool, as_json: bool
) -> Generator[_Chunk]:
    """Yield what is to be written, and the tombstones."""
    with progress_bar(as_json=as_json) as bar:
        task = bar.add_task("reading", total=sum(end - start for start, end in extents.values()))
        for partition, its in groupby(found, itemgetter(0)):
            every_chunk = (chunk for _, chunk in its)
            chunks = chunks_in(every_chunk, *extents[partition], partial(bar.advance, task))
            for chunk in chunks if every else latest(chunks):
                yield partition, chunk


def _tell_split(split: Split, *, as_json: bool) -> None:
    if not split.sessions:
        return
    some = "; ".join(
        f"{printable(key)} in {', '.join(map(str, places))}" for key, places in split.some.items()
    )
    more = "; …" if split.sessions > len(split.some) else ""
    note(
        separate(f"{split.sessions:,} sessions are in several partitions ({some}{more})"),
        as_json=as_json,
    )


def _tell(told: Mapping[str, Any], file: str, *, as_json: bool) -> None:
    """Answer; where the file is the answer, on standard error."""
    if file != STANDARD_OUTPUT:
        emit_one({**told, "file": file}, as_json=as_json)
    elif as_json:
        sys.stderr.write(json.dumps(told) + "\n")
    else:
        note(", ".join(f"{name} {value}" for name, value in told.items()))
