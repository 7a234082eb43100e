"""`sessions`: look one up, watch them change, tell what one was, export, expire or erase them."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import typer
from rich.text import Text

from processor.avro.codec import SESSION_FIELDS
from processor.bootstrap.codecs import codecs_of
from processor.cli.common.documents import document_json, session_json
from processor.cli.common.output import (
    Json,
    note,
    out,
    print_json,
    print_text,
    settings_from,
)
from processor.cli.common.reach import answering
from processor.cli.common.session_view import line, page, separate
from processor.cli.common.topic_reader import TopicReader
from processor.cli.sessions import erase, expire, export, history
from processor.cli.sessions.cached import look_up
from processor.cli.sessions.key import require_key
from processor.config import Settings
from processor.ports.log import Record, Topic
from processor.ports.segments import NOBODY
from processor.state.ends import end_of
from processor.telemetry.visible import printable

app = typer.Typer(
    name="sessions",
    no_args_is_help=True,
    help="Sessions: look one up, watch them change, tell what one was, export, expire, erase.",
)
app.command("history")(history.command)
app.command("export")(export.command)
app.command("expire")(expire.command)
app.command("erase")(erase.command)


@app.command()
def get(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(metavar="APPLICATION:INTEGRATION", help="The session.")],
    *,
    document: Annotated[
        bool, typer.Option("--document", help="Answer in JSON with the document's fields alone.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read a session from Redis, as it is after its last accepted update.

    --json prints the document's fields under their names, then previousState, version, updated,
    lastEventId and inputOffset, then outputPartition; --document the document's fields and nothing
    else. Times are RFC 3339, attributes JSON values, and an item has no field that it lacks.

    A session that is in several partitions is several sessions: each is told, with its partition.
    Without such a session the exit code is 9.

    Example: session-processor sessions get 1:cart-17 --json
    """
    require_key(key)
    places = look_up(settings_from(ctx), key)
    if len(places) > 1:
        several = separate(f"{key} is in partitions {', '.join(map(str, places))}")
        note(several, as_json=as_json and not document)
    for partition, fields in places.items():
        if document:
            print_text(document_json(fields))
        elif as_json:
            print_text(session_json(fields, outputPartition=partition))
        else:
            if len(places) > 1:
                out().print(f"partition {partition}", style="bold")
            out().print(page(fields))


@app.command()
def watch(
    ctx: typer.Context,
    *,
    key: Annotated[
        str | None, typer.Option(metavar="APPLICATION:INTEGRATION", help="Only this session.")
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with what the topic has.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End after so many lines.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Follow the output topic: a line for each snapshot and end that is committed, until Ctrl-C.

    --json prints what `sessions get --json` prints, and outputOffset. Of an end it prints the key,
    `deleted`, and which command made it: endedBy, the version that it ended, inputOffset and
    eventId, all null of a tombstone that the processor did not write; then where it stands. Records
    under `0:` are no session's, and are left out.

    Example: session-processor sessions watch --key 1:cart-17 --from-beginning
    """
    if key is not None:
        require_key(key)
    settings = settings_from(ctx)
    codec = codecs_of(settings).snapshots
    wanted = None if key is None else key.encode("utf-8", "surrogateescape")
    try:
        with answering():
            records = _committed(settings, from_beginning=from_beginning, quiet=as_json)
            matching = (each for each in records if _is_meant(each, wanted))
            for record in islice(matching, limit):
                if record.value is None:
                    _tell_deleted(record, as_json=as_json)
                else:
                    fields = dict(zip(SESSION_FIELDS, codec.read(record.value), strict=True))
                    _tell(record, fields, as_json=as_json)
    except KeyboardInterrupt:
        note("", as_json=as_json)  # the terminal shows ^C: begin a new line


def _committed(settings: Settings, *, from_beginning: bool, quiet: bool) -> Iterator[Record]:
    from processor.bootstrap.adapters import cluster_of
    from processor.kafka.follow import follow

    extents = TopicReader(settings, Topic.SESSIONS).extents()
    starts = {
        partition: start if from_beginning else end for partition, (start, end) in extents.items()
    }
    note(f"watching {settings.sessions_topic}; Ctrl-C ends it", as_json=quiet)
    for records in follow(cluster_of(settings), Topic.SESSIONS, starts):
        yield from records


def _is_meant(record: Record, wanted: bytes | None) -> bool:
    """Whether to tell of a record; those under `0:` are no session's."""
    key = record.key or b""
    return not key.startswith(NOBODY) if wanted is None else key == wanted


def _tell(record: Record, fields: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_text(session_json(fields, **_where(record)))
    else:
        out().print(Text.assemble(_place(record), line(fields)))


def _tell_deleted(record: Record, *, as_json: bool) -> None:
    name = (record.key or b"").decode(errors="backslashreplace")
    end = end_of(record.headers)
    if as_json:
        by, offset, event, version = end or (None, None, None, None)
        print_json(
            {
                "key": name,
                "deleted": True,
                "endedBy": by,
                "version": version,
                "inputOffset": offset,
                "eventId": event,
                **_where(record),
            }
        )
        return
    told = "deleted" if end is None else f"v{end.version}  ended by {printable(end.command)}"
    out().print(Text.assemble(_place(record), f"{printable(name)}  {told}"))


def _where(record: Record) -> dict[str, int]:
    return {"outputPartition": record.partition, "outputOffset": record.offset}


def _place(record: Record) -> tuple[str, str]:
    """Return where a record stands, before what is told of it: a key can be in two partitions."""
    return f"{record.partition}:{record.offset}  ", "dim"
