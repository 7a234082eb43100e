"""`dead-letters`: what was rejected, and why."""

from typing import Annotated, Final

import typer
from rich.table import Table

from processor.cli.common.documents import members
from processor.cli.common.output import (
    Json,
    emit,
    fields_table,
    note,
    out,
    print_text,
    progress_bar,
    settings_from,
)
from processor.cli.common.reach import answering
from processor.cli.common.session_view import page
from processor.cli.common.times import FORMS, time_of
from processor.cli.dead_letters import export, redrive, summary
from processor.cli.dead_letters.options import Keys, LetterOptions, Partitions, Reasons
from processor.cli.dead_letters.reading import (
    Latest,
    LetterReader,
    Letters,
    letter_document,
    looked_at,
    place_of,
    session_members,
)
from processor.dead_letters.letter import DeadLetter, in_short, text
from processor.ports.instants import iso_time
from processor.ports.log import Record
from processor.telemetry.visible import printable

app = typer.Typer(
    name="dead-letters",
    no_args_is_help=True,
    help="Rejected updates and commands: see them, export them, send them again.",
)

_HEX_SHOWN: Final = 512
_TEXT_SHOWN: Final = 2_000
_FORMATS: Final = {"avro": "Avro", "json": "JSON", "cloudevents": "a CloudEvent in JSON"}


@app.command("list")
def list_letters(
    ctx: typer.Context,
    *,
    partition: Partitions = None,
    reason: Reasons = None,
    key: Keys = None,
    event_id: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this event id; repeatable.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"Only from this time on; {FORMS}.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="The latest so many of each partition.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """List dead letters: the latest of each partition, by the time of their records.

    The whole topic is read. The first column is what `dead-letters show` takes. Letters are told
    that fit each option which is given; of one that is repeated, any may fit.

    Example: session-processor dead-letters list --reason invalid-value --since 2h --limit 20
    """
    settings = settings_from(ctx)
    chosen = LetterOptions(reason=reason, partition=partition, key=key).chosen()
    selection = chosen.selection._replace(since=time_of("--since", since))
    latest = Latest(LetterReader(settings), limit, event_id or ())
    with answering(), progress_bar(as_json=as_json) as bar:
        for record, letter in Letters(settings).chosen(selection, bar):
            latest.add(record, letter)
    if as_json:
        emit(latest.documents(), as_json=True)
        return
    shown = latest.letters()
    emit((_row(letter, of) for letter, of in shown), as_json=False)
    if latest.total > len(shown):
        note(f"{len(shown):,} of {latest.total:,}; --limit shows more")


def _row(letter: DeadLetter, of: str) -> dict[str, object]:
    return {
        "letter": letter.place,
        "time": iso_time(letter.timestamp),
        "of": of,
        "reason": letter.reason,
        "key": printable(letter.key),
        "event": printable(letter.event_id),
        "input offset": letter.source_offsets,
        "bytes": letter.size,
        "message": printable(letter.message),
    }


@app.command()
def show(
    ctx: typer.Context,
    place: Annotated[
        str, typer.Argument(metavar="PARTITION:OFFSET", help="Where it is, as `list` tells.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """Show one dead letter: why it was rejected, its headers, key and value, and its session.

    The value is decoded as far as it can be; its bytes are shown in hex (all of them with --json).
    The session is what Redis has now under the letter's key, in the letter's partition. With --json
    it is null where there is none, and sessionUnknown says why it cannot be told.

    Example: session-processor dead-letters show 3:17
    """
    where = place_of(place)
    record, rejected, session = looked_at(settings_from(ctx), where)
    if as_json:
        print_text(letter_document(record, rejected, session_members(session)))
        return
    out().print(letter_page(record))
    if isinstance(rejected.fields, str):
        of, shown = _undecoded(record.value or b"", rejected.text(record.value))
        out().print(f"\nThe value cannot be read: {printable(rejected.fields)}. Its {of}:")
        out().print(shown)
    else:
        out().print(f"\nThe {rejected.kind}, as {_FORMATS[rejected.format]}:")
        for name, value in members(rejected.fields):
            out().print(f"  {name}: {printable(value)}")
    out().print("\nThe session now:")
    match session:
        case None:
            out().print("none")
        case str():
            out().print(f"not known: {printable(session)}")
        case _:
            out().print(page(session))


def _undecoded(value: bytes, text: str | None) -> tuple[str, str]:
    """Return what is shown of a value that cannot be read: its text, else its bytes."""
    if text is not None:
        rest = f" … and {len(text) - _TEXT_SHOWN:,} more" if len(text) > _TEXT_SHOWN else ""
        return "text", printable(text[:_TEXT_SHOWN]) + rest
    rest = f" … and {len(value) - _HEX_SHOWN:,} more" if len(value) > _HEX_SHOWN else ""
    return "bytes", value[:_HEX_SHOWN].hex(" ", -4) + rest


def letter_page(record: Record) -> Table:
    """Return all of a letter but its value, for people."""
    letter = in_short(record)
    topic, partition, _ = letter.source
    rows = [
        ("letter", letter.place),
        ("reason", letter.reason),
        ("message", printable(letter.message)),
        ("came from", f"{topic} partition {partition} offset {letter.source_offsets}"),
        ("time", iso_time(letter.timestamp)),
        ("key", "none" if record.key is None else printable(letter.key)),
        ("value", "none" if record.value is None else f"{letter.size:,} bytes"),
    ]
    for name, value in record.headers:
        shown = "null" if value is None else printable(text(value))
        rows.append((f"header {printable(name)}", shown))
    return fields_table(rows)


app.command("summary")(summary.command)
app.command("export")(export.command)
app.command("redrive")(redrive.command)
