"""`dead-letters redrive`: dead letters back to the input, each once."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer
from rich.progress import Progress

from processor.bootstrap.codecs import codecs_of
from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import (
    Json,
    emit,
    err,
    note,
    print_json,
    progress_bar,
    settings_from,
)
from processor.cli.common.reach import answering
from processor.cli.common.topic_reader import TopicReader
from processor.cli.dead_letters.options import Chosen, LetterOptions
from processor.cli.dead_letters.reading import Letters
from processor.config import Settings
from processor.dead_letters.decision import Input
from processor.dead_letters.erases import Erases
from processor.dead_letters.progress import (
    Mark,
    RedrivePosition,
    RedrivePositions,
    expired,
)
from processor.dead_letters.redrive import RateLimit, Redrive, RedriveCounts, begun
from processor.dead_letters.selection import digest
from processor.errors import InputError
from processor.partitions.commands_ready import require_commands_known
from processor.ports.chunks import chunks_in
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.log import Record, Topic
from processor.state.checkpoint import former_in
from processor.telemetry.visible import printable

if TYPE_CHECKING:
    from processor.kafka.senders import RedriveSender

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RedriveRequest(NamedTuple):
    """What the command line says."""

    chosen: Chosen
    name: str
    digest: str
    max_attempts: int
    commands: bool
    max_rate: float | None = None
    send: bool = False
    quiet: bool = True


class RedriveOutcome(NamedTuple):
    """What a run did, and what earlier runs of the same redrive had sent."""

    group: str
    tally: RedriveCounts
    sent_before: int
    expired: int
    """Offsets of the dead letters that expired before the redrive came to them."""
    was_done: bool


@takes_blocks
def command(
    ctx: typer.Context,
    *,
    letters: LetterOptions,
    max_attempts: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Leave alone what has failed so many times."),
    ] = 3,
    commands: Annotated[
        bool, typer.Option("--commands", help="Send commands too, which end sessions.")
    ] = False,
    max_rate: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="N", help="Send so many letters a second at the most."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Names this redrive. By default made of its options."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send; else only tell what would be.")] = False,
    as_json: Json = False,
) -> None:
    """Send dead letters back to the input, for when their cause is mended.

    Without --yes nothing is sent: it tells what would be. A letter goes to the partition that it
    came from, with its key, value and headers, the time of now, and a header that counts attempts.
    Letters are those that the topic has when the redrive begins; one that fails again is a new
    letter, for another redrive.

    Commands are left alone without --commands, and always what is older than an erase of its
    session: the output is read for that.

    Nothing is sent twice: the same command again, after a failure or a kill, goes on where it
    stood, and once all is sent it sends nothing. To send the same letters once more, give another
    --name.

    Example: session-processor dead-letters redrive --reason undecodable --from-time 2h --yes
    """
    settings = settings_from(ctx)
    asked = requested(letters.chosen(), max_attempts, name, commands=commands)
    asked = asked._replace(max_rate=max_rate, send=yes, quiet=as_json)
    with answering():
        outcome = redrive(settings, asked)
    _tell(outcome, asked)


def requested(
    chosen: Chosen, max_attempts: int, name: str | None, *, commands: bool
) -> RedriveRequest:
    """Return what would be sent, of that name or of one made of the options. Raises InputError."""
    short = digest(*chosen, max_attempts, commands=commands)
    name = short if name is None else _valid(name)
    return RedriveRequest(chosen, name, short, max_attempts, commands)


def _valid(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a redrive",
            hint="letters, digits, dots, dashes and underscores, at most 64",
        )
    return name


def redrive(settings: Settings, asked: RedriveRequest) -> RedriveOutcome:
    """Send the letters, or find which would be sent."""
    from processor.bootstrap.adapters import cluster_of
    from processor.kafka.senders import RedriveSender

    letters = Letters(settings)
    inputs = letters.coordination.partitions(Topic.UPDATES)
    if asked.commands:
        require_commands_known(letters.coordination, range(inputs))
    with closing(RedriveSender(cluster_of(settings), asked.name)) as sender:
        partitions = range(letters.coordination.partitions(Topic.DEAD_LETTERS))
        fresh = _fresh(letters, asked)
        positions, known = begun(asked.name, fresh, sender, partitions, send=asked.send)
        before = sum(each.mark.sent for each in positions.values())
        done = known and not any(each.left for each in positions.values())
        is_command = codecs_of(settings).commands.is_command
        to = Input(
            settings.updates_topic,
            inputs,
            asked.max_attempts,
            (lambda _: False) if asked.commands else is_command,
        )
        starts = {partition: start for partition, (start, _) in letters.extents().items()}
        gone = expired(positions, starts)
        tally = _drive(settings, letters, asked, positions, to, sender)
        return RedriveOutcome(sender.group, tally, before, gone, done)


def _fresh(letters: Letters, asked: RedriveRequest) -> RedrivePositions:
    """Return where a redrive begins that is new."""
    selection = asked.chosen.selection
    extents = letters.extents(sorted(selection.named()))
    topics = letters.coordination.topic_ids()
    ids = topics[Topic.DEAD_LETTERS], topics[Topic.UPDATES]
    return {
        partition: RedrivePosition(
            start,
            Mark(asked.digest, selection.since, selection.until, ids, len(extents), end, 0),
        )
        for partition, (start, end) in extents.items()
    }


def _drive(  # noqa: PLR0917  what a redrive is made of
    settings: Settings,
    letters: Letters,
    asked: RedriveRequest,
    positions: RedrivePositions,
    to: Input,
    sender: "RedriveSender",
) -> RedriveCounts:
    mark = next(iter(positions.values())).mark
    with progress_bar(as_json=asked.quiet) as bar, closing(_erases(settings, bar)) as erases:
        task = bar.add_task("letters read", total=sum(each.left for each in positions.values()))
        drive = Redrive(
            read=letters.chunks,
            # A duration ago counts from the redrive's beginning, however often it goes on.
            selection=asked.chosen.selection._replace(since=mark.since, until=mark.until),
            to=to,
            erases=erases,
            positions=positions,
            deliver=sender.send if asked.send else lambda *_: None,
            pace=RateLimit(asked.max_rate if asked.send else None, SYSTEM_CLOCK),
            on_progress=lambda passed: bar.advance(task, passed),
        )
        try:
            return drive.run()
        except BaseException:
            if asked.send:
                sent = f"sent {drive.tally.sent.total():,} letters"
                err().print(f"{sent}; the same command again goes on where this stood")
            raise


def _erases(settings: Settings, bar: Progress) -> Erases:
    """Return what tells from the output which keys were erased, and shows how far it is read."""
    output = TopicReader(settings, Topic.SESSIONS)

    def read(partition: int, start: int, end: int) -> Iterator[Sequence[Record]]:
        task = bar.add_task(f"output of partition {partition}", total=end - start)
        chunks = output.chunks(partition, start, end)
        yield from chunks_in(chunks, start, end, partial(bar.advance, task))
        bar.remove_task(task)

    def former(partition: int) -> int | None:
        found = output.coordination.committed(partition, stable=False)
        return None if found is None else former_in(found.metadata)

    return Erases(lambda partition: output.extents([partition])[partition], read, former)


def _rows(tally: RedriveCounts) -> list[dict[str, object]]:
    return [
        {"reason": printable(reason), "partition": partition, "letters": letters}
        for (reason, partition), letters in sorted(tally.sent.items())
    ]


def outcome_document(outcome: RedriveOutcome, asked: RedriveRequest) -> dict[str, object]:
    """Return what a run did, for programs."""
    tally = outcome.tally
    return {
        "name": asked.name,
        "group": outcome.group,
        "dryRun": not asked.send,
        "done": outcome.was_done or asked.send,
        "letters": tally.sent.total(),
        "sent": tally.sent.total() if asked.send else 0,
        "sentBefore": outcome.sent_before,
        "byReason": _rows(tally),
        "skipped": {str(skip): count for skip, count in sorted(tally.skipped.items())},
        "refused": tally.refused,
        "expired": outcome.expired,
    }


def _tell(outcome: RedriveOutcome, asked: RedriveRequest) -> None:
    tally = outcome.tally
    if asked.quiet:
        print_json(outcome_document(outcome, asked))
        return
    emit(_rows(tally), as_json=False)
    for skip, count in sorted(tally.skipped.items()):
        note(f"{count:,} skipped: {skip.why} ({skip})")
    for place in tally.refused:
        note(f"refused: {place}")
    if outcome.expired:
        note(
            f"{outcome.expired:,} offsets of the dead letters expired before this redrive came to "
            "them: letters that were there are not sent"
        )
    note(_conclusion(outcome, asked))


def _conclusion(outcome: RedriveOutcome, asked: RedriveRequest) -> str:
    letters = outcome.tally.sent.total()
    earlier = f"; {outcome.sent_before:,} were sent before" if outcome.sent_before else ""
    if outcome.was_done:
        return f"redrive {asked.name} is done{earlier}: another --name starts another"
    if asked.send:
        return f"redrive {asked.name}: {letters:,} letters were sent{earlier}"
    return f"redrive {asked.name}: {letters:,} letters would be sent{earlier}; --yes sends them"
