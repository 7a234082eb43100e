"""`produce`: JSON lines to Avro updates."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import typer
from rich.progress import Progress

from processor.avro.codec import UpdateCodec
from processor.avro.schemas import load_schemas
from processor.bootstrap.codecs import update_header
from processor.cli.common.output import (
    Json,
    emit_one,
    err,
    note,
    progress_bar,
    settings_from,
)
from processor.cli.common.reach import answering
from processor.cli.produce.check import check
from processor.cli.produce.lines import Source, opened
from processor.config import Settings
from processor.core.session import session_key
from processor.errors import InputError
from processor.ports.log import NO_TIMESTAMP, Outgoing, Topic

if TYPE_CHECKING:
    from processor.kafka.clients import Cluster

_CHUNK_LINES: Final = 5_000
_CHUNK_BYTES: Final = 8 * 1024 * 1024
Partitioner = Literal[
    "murmur2_random", "murmur2", "consistent_random", "consistent", "fnv1a_random", "fnv1a"
]
"""How librdkafka chooses a partition by key; the first is what Java's clients do."""


def command(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="JSON lines; - reads standard input.")
    ],
    *,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Send the good lines although some are bad.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Send a file although it was sent before.")
    ] = False,
    from_line: Annotated[
        int, typer.Option(min=1, metavar="N", help="Leave out the lines before this one.")
    ] = 1,
    partitioner: Annotated[
        Partitioner, typer.Option(help="How a key's partition is chosen, as librdkafka names it.")
    ] = "murmur2_random",
    as_json: Json = False,
) -> None:
    """Send JSON lines as Avro updates, for trying and for backfills.

    A line has the fields of a SessionUpdate under their names. attributes are any JSON values (null
    removes the name), eventTime is ISO 8601 or milliseconds since 1970; eventTime and eventId are
    made where they are absent. With a schema registry, each update names its schema's id there,
    before the value; the schema must be registered (`schemas register`).

    All lines are checked before the first is sent. If some are bad, they are told by number, and
    nothing is sent (or, with --skip-bad, the others are); the exit code is 8.

    Each transaction carries with it how far the file was sent. Run the same command again after a
    failure, whatever it was, and it goes on where it stood; of a file that lines were appended to
    it sends those. What was sent is not sent again without --again while the brokers keep the
    position: a week by default. Later all of it is, with the same event ids. A file is known by
    its content; a pipe is for one run only: if that fails, it tells the line for --from-line.

    Example: echo '{"applicationId": 1, "integrationId": "cart-17", "coupon": "TEN"}' |
    session-processor produce -
    """
    settings = settings_from(ctx)
    with opened(file, again=again) as source, progress_bar(as_json=as_json) as bar:
        bad = check(source, bar, as_json=as_json)
        if not bad or skip_bad:
            sent = _send(source, settings, partitioner, bar, from_line=from_line, again=again)
        else:
            sent = Sent(0, 0)
    if sent.before and not as_json:
        note(f"lines up to {sent.before:,} were sent by an earlier run; --again sends them again")
    emit_one(
        {
            "sent": sent.updates,
            "bad": bad,
            "sentBefore": sent.before,
            "lines": source.last,
            "topic": settings.updates_topic,
        },
        as_json=as_json,
    )
    if bad:
        raise _bad_lines(bad, source.last, skipped=skip_bad)


class Sent(NamedTuple):
    """What was sent; `before` is the last line that an earlier run had sent, 0 for none."""

    updates: int
    before: int


def _bad_lines(bad: int, lines: int, *, skipped: bool) -> InputError:
    return InputError(
        f"{bad:,} of {lines:,} lines are bad"
        + ("; the others were sent" if skipped else "; nothing was sent"),
        hint="mend them and send them alone" if skipped else "mend them, or add --skip-bad",
    )


def _send(
    source: Source,
    settings: Settings,
    partitioner: Partitioner,
    bar: Progress,
    *,
    from_line: int,
    again: bool,
) -> Sent:
    """Send the lines that are good and were not sent before."""
    from processor.bootstrap.adapters import cluster_of
    from processor.kafka.senders import UpdateSender

    content, last = source.content, source.last
    task = bar.add_task("sending, lines", total=last)
    updates = position = 0
    target = cluster_of(settings)
    with answering(), closing(UpdateSender(target, source.name, partitioner)) as sender:
        try:
            position = before = sender.open()
            if not sender.begun and not again:
                position = before = _sent_beginning(source, target, partitioner)
            if again and before:
                # First back to the start, so that from then on the position only grows.
                sender.send((), before, 0)
                position = before = 0
            for chunk in _chunks(source, max(before, from_line - 1), settings):
                sender.send(chunk.records, position, chunk.last)
                position = chunk.last
                updates += len(chunk.records)
                bar.update(task, completed=position)
            _refuse_change(source, content)
            if position < last:  # nothing but bad and blank lines stood at the end
                sender.send((), position, last)
            bar.update(task, completed=last)
        except BaseException:
            err().print(f"sent up to line {position:,}")
            raise
    return Sent(updates, before)


def _sent_beginning(source: Source, target: "Cluster", partitioner: Partitioner) -> int:
    """Return how far a file was sent that this one continues; it is then sent by nobody else."""
    from processor.kafka.senders import UpdateSender, sent_sources

    for name in source.beginnings(sent_sources(target)):
        with closing(UpdateSender(target, name, partitioner)) as former:
            sent = former.open()
        if sent:
            return sent
    return 0


def _refuse_change(source: Source, content: str) -> None:
    if source.content != content:
        raise InputError("the file changed while it was read", hint="run the command again")


class _Chunk(NamedTuple):
    """What goes into one transaction, and the last line that it ends with."""

    records: list[Outgoing]
    last: int


def _chunks(source: Source, done: int, settings: Settings) -> Iterator[_Chunk]:
    header = update_header(settings)
    codec = UpdateCodec(load_schemas(settings.schemas_dir).updates, header=header)
    records: list[Outgoing] = []
    size = last = 0
    for line in source.lines():
        if line.number <= done or isinstance(line.update, str):
            continue
        value = codec.write(line.update)
        key = session_key(line.update.application_id, line.update.integration_id).encode()
        records.append(Outgoing(Topic.UPDATES, None, NO_TIMESTAMP, key, value, ()))
        size, last = size + len(value), line.number
        if len(records) == _CHUNK_LINES or size > _CHUNK_BYTES:
            yield _Chunk(records, last)
            records, size = [], 0
    if records:
        yield _Chunk(records, last)
