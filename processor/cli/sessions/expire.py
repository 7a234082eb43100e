"""`sessions expire`: end the sessions that nobody has updated for long, by hand."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Annotated, Final, NamedTuple, get_args

import typer
from rich.progress import Progress

from processor.bootstrap.codecs import codecs_of
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
from processor.config import Settings
from processor.config.durations import DURATION, duration_ms
from processor.core.session import Session, State
from processor.dead_letters.redrive import RateLimit
from processor.errors import InputError
from processor.partitions.commands_ready import require_commands_known
from processor.ports.chunks import chunks_in
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.commands import Commands
from processor.ports.log import Record, Topic
from processor.replay.spill import scratch
from processor.state.expiry import Keep, Stale, Unreadable, expire, stale

_DUE: Final = (
    "CREATE TABLE due (key BLOB PRIMARY KEY, input_offset INTEGER, state TEXT, at INTEGER)"
    " WITHOUT ROWID"
)
_DAY_MS: Final = 86_400_000
_AGES: Final = (0, 1, 7, 30, 90, 365)
"""Days at which an age that is told of begins."""
_ANSWER_S: Final = 30.0
SENDER: Final = "sessions-expire"
"""What the event ids of its commands begin with."""


class DueSessions:
    """The sessions of one partition that are due, on disk past 64 MiB; to be closed."""

    def __init__(self) -> None:
        self._database = scratch()
        self._database.execute(_DUE)

    def add(self, found: Mapping[bytes, Stale | None]) -> None:
        """Take what a chunk that follows the others says of its keys."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "DELETE FROM due WHERE key = ?", ((key,) for key, due in found.items() if due is None)
        )
        self._database.executemany(
            "INSERT OR REPLACE INTO due VALUES (?, ?, ?, ?)",
            (due for due in found.values() if due is not None),
        )
        self._database.execute("COMMIT")

    def by_age(self, now_ms: int) -> Counter[tuple[State, int]]:
        """Return how many there are of each state, and of each age, by its beginning in days."""
        told = Counter[tuple[State, int]]()
        rows = self._database.execute(
            "SELECT state, (? - at) / ?, count(*) FROM due GROUP BY 1, 2", (now_ms, _DAY_MS)
        )
        for state, days, count in rows:
            told[state, max(begin for begin in _AGES if begin <= days)] += count
        return told

    def __iter__(self) -> Iterator[Stale]:
        """Yield them by key."""
        for row in self._database.execute("SELECT * FROM due"):
            yield Stale(*row)

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()


class ExpireRequest(NamedTuple):
    """What the command line says, and when."""

    keep: Keep
    now_ms: int
    max_rate: float | None
    send: bool


class Expired(NamedTuple):
    """What a run found."""

    due: Counter[tuple[State, int]]
    """By state, and by the days at which an age begins."""
    unreadable: Unreadable
    """Snapshots that stay, whatever they are."""


def command(
    ctx: typer.Context,
    *,
    state: Annotated[
        list[str],
        typer.Option(metavar="STATE", help="open, closed or cancelled; repeatable."),
    ],
    older_than: Annotated[
        str,
        typer.Option(metavar="DURATION", help="Whose last update was this long ago, as 90d."),
    ],
    max_rate: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="N", help="Send so many commands a second at the most."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send; else only tell what would be.")] = False,
    as_json: Json = False,
) -> None:
    """End sessions that have a state, and have not been updated for long.

    Without --yes nothing is sent: it tells how many would be, by state and age. The age is that of
    the session's last snapshot, by the record's timestamp in the output topic; event times decide
    nothing. The topic is read to the end that it has when the command begins.

    For each session an expire goes to the input, which names the snapshot that was seen: an update
    that stands before it in the log wins, and the session stays. So the same command again, after a
    failure or beside the service's own retention, is harmless, and goes on with what is left.
    Every partition must have been taken over by a version that knows commands.

    Example: session-processor sessions expire --state closed --older-than 90d --yes
    """
    settings = settings_from(ctx)
    keep = _keep(state, older_than)
    asked = ExpireRequest(keep, SYSTEM_CLOCK.now_ms(), max_rate, yes)
    with answering(), progress_bar(as_json=as_json) as bar:
        found = _expire(settings, asked, bar)
    _tell(found, asked, older_than, as_json=as_json)


def _keep(states: Iterable[str], older_than: str) -> Keep:
    try:
        older = duration_ms(older_than)
    except ValueError as error:
        raise InputError(f"--older-than: {error}", hint=DURATION) from None
    known: tuple[State, ...] = get_args(State)
    unknown = sorted(set(states) - set(known))
    if unknown:
        raise InputError(
            f"--state: {unknown[0]!r} is no state", hint=f"a state is {', '.join(known)}"
        )
    return {each: older for each in known if each in states}


def _expire(settings: Settings, asked: ExpireRequest, bar: Progress) -> Expired:
    from processor.bootstrap.adapters import cluster_of
    from processor.kafka.command_sender import CommandSender

    output, codecs = TopicReader(settings, Topic.SESSIONS), codecs_of(settings)
    inputs = output.coordination.partitions(Topic.UPDATES)
    if asked.send:
        require_commands_known(output.coordination, range(inputs))
    extents = output.extents()
    reading = bar.add_task("reading", total=sum(end - start for start, end in extents.values()))
    found = Counter[tuple[State, int]]()
    unreadable = Unreadable()
    sent = 0
    pace = RateLimit(asked.max_rate, SYSTEM_CLOCK)
    with closing(CommandSender(cluster_of(settings), codecs.commands)) as commands:
        try:
            for partition, (start, end) in extents.items():
                with closing(DueSessions()) as due:
                    chunks = chunks_in(
                        output.chunks(partition, start, end),
                        start,
                        end,
                        lambda passed: bar.advance(reading, passed),
                    )
                    gather(due, chunks, asked, codecs.snapshots.read, unreadable)
                    counts = due.by_age(asked.now_ms)
                    found += counts
                    if asked.send and counts:
                        sending = bar.add_task("sending", total=counts.total())
                        for count in send(due, partition, commands, pace, asked.now_ms):
                            sent += count
                            bar.advance(sending, count)
        except BaseException:
            if asked.send:
                err().print(f"sent {sent:,} commands; the same command again goes on")
            raise
    return Expired(found, unreadable)


def gather(
    due: DueSessions,
    chunks: Iterable[Sequence[Record]],
    asked: ExpireRequest,
    session_of: Callable[[bytes], Session],
    unreadable: Unreadable,
) -> None:
    """Take what is due of one partition's snapshots, which begin with its first."""
    for chunk in chunks:
        found = stale(chunk, asked.keep, asked.now_ms, session_of, unreadable)
        due.add({key: each and each[1] for key, each in found.items()})


def send(
    due: Iterable[Stale], partition: int, commands: Commands, pace: RateLimit, now_ms: int
) -> Iterator[int]:
    """Send an expire for each; yield how many were taken since the last yield."""
    waiting = 0
    for session in due:
        commands.send(partition, expire(session, SENDER, partition, now_ms))
        waiting += 1
        if waiting == pace.batch:
            yield _flushed(commands, pace, waiting)
            waiting = 0
    if waiting:
        yield _flushed(commands, pace, waiting)


def _flushed(commands: Commands, pace: RateLimit, waiting: int) -> int:
    commands.flush(_ANSWER_S)
    pace.delivered(waiting)
    return waiting


def _tell(found: Expired, asked: ExpireRequest, older_than: str, *, as_json: bool) -> None:
    rows = [
        {"state": state, "age": _age(begin), "sessions": count}
        for (state, begin), count in sorted(found.due.items())
    ]
    total = found.due.total()
    if as_json:
        sent = total if asked.send else 0
        print_json(
            {
                "dryRun": not asked.send,
                "sessions": total,
                "sent": sent,
                "unreadable": found.unreadable.count,
                "byStateAndAge": rows,
            }
        )
        return
    emit(rows, as_json=False)
    if found.unreadable.count:
        note(
            f"{found.unreadable.count:,} snapshots cannot be read, and stay; the first one is "
            f"{found.unreadable.first}"
        )
    told = f"{total:,} sessions older than {older_than}"
    if asked.send:
        note(f"{told}: as many commands were sent, and end those that nobody updated meanwhile")
    else:
        note(f"{told} would be expired; --yes sends the commands")


def _age(begin: int) -> str:
    after = [each for each in _AGES if each > begin]
    return f"{begin} to {after[0]} days" if after else f"over {begin} days"
