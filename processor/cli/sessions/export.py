"""`sessions export`: published snapshots as one Avro file."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Annotated, Final, Literal

import typer

from processor.avro.container import SnapshotContainer
from processor.bootstrap.codecs import codecs_of
from processor.cli.common.new_file import STANDARD_OUTPUT, new_file_or_output
from processor.cli.common.output import Json, emit_one, note, progress_bar, settings_from
from processor.cli.common.reach import answering
from processor.cli.common.topic_reader import TopicReader
from processor.ports.log import NO_TIMESTAMP, Record, Topic

_LATEST: Final = (
    "CREATE TABLE latest (key BLOB PRIMARY KEY, partition INTEGER, at INTEGER, value BLOB)"
    " WITHOUT ROWID"
)


def command(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-", help="A new file, as sessions.avro; - is standard output."
        ),
    ],
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Every snapshot that the topic has, not the latest ones.")
    ] = False,
    compression: Annotated[
        Literal["deflate", "none"], typer.Option(help="How the file's blocks are compressed.")
    ] = "deflate",
    as_json: Json = False,
) -> None:
    """Write sessions from the output topic to a file: an Avro object container.

    Each session's latest snapshot; with --all every snapshot that compaction has left, by partition
    and output offset. Only what is committed, up to the ends that the topic has at the start. The
    record is CustomerSession with outputPartition and outputOffset after its own fields.

    A session whose last record is a tombstone has ended, and is left out; with --all the snapshots
    of its lives stay, each life with versions from 1. Tombstones are counted. The file must not
    exist. It has its name when it is complete; - is standard output, which is no terminal.

    Example: session-processor sessions export sessions.avro
    """
    settings = settings_from(ctx)
    codecs = codecs_of(settings)
    sessions = tombstones = 0
    with answering(), new_file_or_output(file) as writing, progress_bar(as_json=as_json) as bar:
        topic = TopicReader(settings, Topic.SESSIONS)
        extents = topic.extents()
        about = {
            "session-processor.topic": settings.sessions_topic,
            "session-processor.ends": ",".join(str(end) for _, end in extents.values()),
        }
        container = SnapshotContainer(
            writing,
            codecs.known.reader,
            codecs.snapshots.read,
            about,
            deflate=compression == "deflate",
        )
        task = bar.add_task("reading", total=sum(end - start for start, end in extents.values()))
        for partition, (start, end) in extents.items():
            records = topic.read(partition, start, end, partial(bar.advance, task))
            for record in records if every else _latest(records):
                if record.value is None:
                    tombstones += 1
                else:
                    container.add(record.value, record.partition, record.offset)
                    sessions += 1
        container.close()
    _tell("snapshots" if every else "sessions", sessions, tombstones, file, as_json=as_json)


def _tell(kind: str, count: int, tombstones: int, file: str, *, as_json: bool) -> None:
    if file == STANDARD_OUTPUT:
        note(f"{count:,} {kind}, {tombstones:,} tombstones", as_json=as_json)
    else:
        emit_one({kind: count, "tombstones": tombstones, "file": file}, as_json=as_json)


def _latest(records: Iterator[Record]) -> Iterator[Record]:
    """Yield the last record of each key, by offset; what is remembered is on disk."""
    from processor.replay.spill import scratch

    with closing(scratch()) as database:
        database.execute(_LATEST)
        for record in records:
            row = record.key, record.partition, record.offset, record.value
            database.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?)", row)
        for key, partition, at, value in database.execute("SELECT * FROM latest ORDER BY at"):
            yield Record(partition, at, NO_TIMESTAMP, key, value, ())
