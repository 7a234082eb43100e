"""`replay`: folding the live input again, beside the live service."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.cli import replay_bounds
from processor.cli.output import (
    Json,
    emit,
    emit_one,
    given_to,
    note,
    print_json,
    progress_bar,
    settings_from,
)
from processor.cli.reach import answering
from processor.cli.replay_bounds import asked
from processor.config import Settings
from processor.config.settings import env_name
from processor.errors import InputError, NotFound, ProcessorError
from processor.ports.log import LogUnavailable
from processor.replay.bounds import Asked, Point, bound
from processor.replay.names import default_name, replayed, valid
from processor.replay.plan import Plan, Range

if TYPE_CHECKING:
    from processor.cli.replay_live import Live

app = typer.Typer(
    name="replay",
    no_args_is_help=True,
    help="Fold the input again, beside the live service, from any offset or time.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The replay's name, as `list` shows it.")]
MaxRate = Annotated[
    float | None,
    typer.Option(
        min=1, metavar="N", help="Process so many records a second at the most, each process."
    ),
]

_USUAL_RATE: Final = 10_000
_ASK_EVERY_S: Final = 1.0
_INTERRUPTED: Final = 130


@app.command()
def plan(
    ctx: typer.Context,
    *,
    from_offset: replay_bounds.FromOffset = None,
    from_time: replay_bounds.FromTime = None,
    from_earliest: replay_bounds.FromEarliest = False,
    from_file: replay_bounds.FromFile = None,
    until_time: replay_bounds.UntilTime = None,
    until_offset: replay_bounds.UntilOffset = None,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> None:
    """Show what a replay would do, and what cannot be had; changes nothing.

    `bytes` are estimated from the first records; `seconds` from --max-rate, else from 10,000
    records a second. `run` takes the same options.

    Example: session-processor replay plan --from-time 2h
    """
    settings = settings_from(ctx)
    wanted = _asked_of(
        settings,
        from_offset=from_offset,
        from_time=from_time,
        from_earliest=from_earliest,
        from_file=from_file,
        until_time=until_time,
        until_offset=until_offset,
    )
    if wanted is None:
        raise InputError("it is not said from where", hint="give one of the --from options")
    with answering():
        live = _live(settings)
        ranges, _, refused = _bounds(live, wanted, as_json=as_json)
        rows = [_row(live, partition, ranges[partition], refused, max_rate) for partition in ranges]
    emit(rows, as_json=as_json)
    if refused:
        raise _refusal(refused)


@app.command()
def run(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Names the replay; a new one's is the time by default."),
    ] = None,
    from_offset: replay_bounds.FromOffset = None,
    from_time: replay_bounds.FromTime = None,
    from_earliest: replay_bounds.FromEarliest = False,
    from_file: replay_bounds.FromFile = None,
    until_time: replay_bounds.UntilTime = None,
    until_offset: replay_bounds.UntilOffset = None,
    extend: Annotated[
        bool,
        typer.Option("--extend", help="Go on to where the live service has come to since."),
    ] = False,
    max_rate: MaxRate = None,
    as_json: Json = False,
) -> None:
    """Fold a part of the input again, into topics and a Redis prefix of the replay's own.

    The live service is not touched, and may run. With a start, a new replay is begun; with the name
    of one that exists, it goes on where it stood, however it ended; several processes may go on
    with the same one. It ends by itself, at its end.

    Example: session-processor replay run --name wrong-totals --from-time 2h --max-rate 2000
    """
    given = given_to(ctx)
    if as_json:
        given.flags["log_format"] = "json"
    elif sys.stderr.isatty() and env_name("log_level") not in os.environ:
        given.flags.setdefault("log_level", "warning")  # the bar is what is looked at
    settings = given.load().settings
    wanted = _asked_of(
        settings,
        from_offset=from_offset,
        from_time=from_time,
        from_earliest=from_earliest,
        from_file=from_file,
        until_time=until_time,
        until_offset=until_offset,
    )
    if name is None and wanted is None:
        raise InputError(
            "it is neither said from where, nor which replay is to go on",
            hint="give one of the --from options, or the --name of one that `list` shows",
        )
    called = valid(name or default_name(time.time_ns() // 1_000_000))
    with answering():
        live = _live(settings)
        stands = _begun(live, called, wanted, extend=extend, as_json=as_json)
        own = replayed(settings, called)
        live.make_topics(stands, own)
    if not as_json:
        note(f"replay {called}: {stands.offsets:,} offsets of {len(stands.ranges)} partitions")
    done = _folded(stands, settings, own, max_rate, as_json=as_json)
    _conclude(stands, done=done, as_json=as_json)


@app.command()
def status(ctx: typer.Context, name: Name, *, as_json: Json = False) -> None:
    """Show how far a replay has come in each partition.

    Example: session-processor replay status wrong-totals
    """
    settings = settings_from(ctx)
    with answering():
        live = _live(settings)
        stands = _known(live, name)
        places = live.places(stands, replayed(settings, name))
    emit(
        (
            {
                "partition": partition,
                "start": each.start,
                "at": places[partition],
                "end": each.end,
                "left": max(0, each.end - (places[partition] or each.start)),
            }
            for partition, each in stands.ranges.items()
        ),
        as_json=as_json,
    )


@app.command("list")
def list_(ctx: typer.Context, *, as_json: Json = False) -> None:
    """List the replays of this service.

    Example: session-processor replay list
    """
    settings = settings_from(ctx)
    with answering():
        live = _live(settings)
        rows = [_listed(live, settings, name) for name in live.replays.names()]
    emit(rows, as_json=as_json)


@app.command()
def drop(
    ctx: typer.Context,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Drop it without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Remove all that a replay made: its topics, its group, its keys in Redis; and nothing else.

    No process may be at it.

    Example: session-processor replay drop wrong-totals --yes
    """
    settings = settings_from(ctx)
    own = replayed(settings, valid(name))
    with answering():
        live = _live(settings)
        if name not in live.replays.names():
            raise _unknown(name)
        live.require_stopped(own)
    confirmed = yes or (not as_json and typer.confirm(f"Drop replay {name}?", err=True))
    if not confirmed:
        note("nothing was dropped; `--yes` drops it", as_json=as_json)
        return
    with answering():
        dropped = live.drop(name, own)
    emit_one({"name": name, "topics": dropped, "redis_prefix": own.redis_prefix}, as_json=as_json)


def _asked_of(settings: Settings, **options: object) -> Asked | None:
    return asked(topic=settings.updates_topic, **options)  # type: ignore[arg-type]


def _live(settings: Settings) -> "Live":
    from processor.cli.replay_live import Live

    return Live(settings)


def _bounds(
    live: "Live", wanted: Asked, *, as_json: bool
) -> tuple[Mapping[int, Range], Mapping[int, int], Sequence[Point]]:
    found, outputs = live.survey.look()
    ranges, refused = bound(wanted, found, live.offset_at)
    apart = {point.partition for point in refused}
    exact = {partition: each for partition, each in ranges.items() if partition not in apart}
    with progress_bar(as_json=as_json) as bar:
        tasks = {
            partition: bar.add_task(f"reading sessions {partition}", total=outputs[partition])
            for partition, each in exact.items()
            if each.start
        }
        inexact = live.survey.inexact(
            exact,
            outputs,
            live.seen,
            lambda partition, done, _: bar.update(tasks[partition], completed=done),
        )
    return ranges, outputs, [*refused, *inexact]


def _row(
    live: "Live",
    partition: int,
    each: Range,
    refused: Sequence[Point],
    max_rate: float | None,
) -> dict[str, object]:
    points = [point for point in refused if point.partition == partition]
    state = "nothing" if each.start == 0 else f"live snapshots of input offsets below {each.start}"
    size = 0.0 if points else live.survey.bytes_each(partition, each)
    return {
        "partition": partition,
        "start": each.start,
        "end": each.end,
        "records": each.offsets,
        "bytes": round(size * each.offsets),
        "seconds": round(each.offsets / (max_rate or _USUAL_RATE), 1),
        "starting_state": state,
        "refused": "; ".join(f"{point.why}; earliest: {point.earliest}" for point in points),
    }


def _refusal(refused: Sequence[Point]) -> InputError:
    whys = "; ".join(f"partition {point.partition}: {point.why}" for point in refused)
    starts = ",".join(f"{point.partition}:{point.earliest}" for point in refused)
    return InputError(
        f"the replay cannot start there: {whys}",
        hint=f"the earliest possible offsets of these partitions: --from-offset {starts}",
    )


def _known(live: "Live", name: str) -> Plan:
    found = live.replays.read(valid(name))
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> NotFound:
    return NotFound(
        f"there is no replay {name!r}", hint="`session-processor replay list` lists those there are"
    )


def _begun(live: "Live", name: str, wanted: Asked | None, *, extend: bool, as_json: bool) -> Plan:
    """Return the plan of the replay, which is begun, gone on with, or extended."""
    stands = live.replays.read(name)
    if stands is not None:
        if wanted is not None:
            raise InputError(
                f"replay {name} exists, and has its bounds",
                hint="leave the --from and --until options out to go on, or give another --name",
            )
        live.survey.require_same(stands)
        return live.replays.rewrite(live.survey.extended(stands)) if extend else stands
    if wanted is None:
        raise _unknown(name)
    ranges, outputs, refused = _bounds(live, wanted, as_json=as_json)
    if refused:
        raise _refusal(refused)
    return live.begin(name, ranges, outputs)


def _folded(
    stands: Plan, live: Settings, own: Settings, max_rate: float | None, *, as_json: bool
) -> bool:
    from processor.bootstrap import Replaying, fold_again

    with _watching(stands, live, own, as_json=as_json):
        return fold_again(own, Replaying(stands, live, max_rate))


@contextmanager
def _watching(stands: Plan, live: Settings, own: Settings, *, as_json: bool) -> Iterator[None]:
    """Show on a terminal how far all processes of the replay have come together."""
    bar = progress_bar(as_json=as_json)
    if bar.disable:
        yield
        return
    ended = Event()
    task = bar.add_task(f"replay {stands.name}", total=stands.offsets)

    def watch() -> None:
        asker = _live(live)
        while not ended.wait(_ASK_EVERY_S):
            try:
                places = asker.places(stands, own)
            except (LogUnavailable, ProcessorError):
                continue  # the replay itself tells what is wrong
            done = sum(
                max(0, min(places[partition] or each.start, each.end) - each.start)
                for partition, each in stands.ranges.items()
            )
            bar.update(task, completed=done)

    watcher = Thread(target=watch, daemon=True)
    with bar:
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _conclude(stands: Plan, *, done: bool, as_json: bool) -> None:
    if as_json:
        print_json({"name": stands.name, "offsets": stands.offsets, "done": done})
    elif done:
        note(f"replay {stands.name} is at its end")
    if not done:
        note(f"stopped: `replay run --name {stands.name}` goes on where it stood", as_json=as_json)
        raise typer.Exit(_INTERRUPTED)


def _listed(live: "Live", settings: Settings, name: str) -> dict[str, object]:
    found = live.replays.read(name)
    if found is None:
        return {"name": name, "created": None, "partitions": 0, "offsets": 0, "left": None}
    places = live.places(found, replayed(settings, name))
    return {
        "name": name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found.created // 1000)),
        "partitions": len(found.ranges),
        "offsets": found.offsets,
        "left": sum(
            max(0, each.end - (places[partition] or each.start))
            for partition, each in found.ranges.items()
        ),
    }
