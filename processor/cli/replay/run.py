"""`replay run`: beginning a replay, or going on with one."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import Json, given_to, note, print_json, progress_bar
from processor.cli.common.reach import answering
from processor.cli.replay import options
from processor.cli.replay.start import bounds, reach, refusal
from processor.config import Settings
from processor.config.settings import env_name
from processor.errors import InputError, ProcessorError
from processor.ports.log import LogUnavailable
from processor.replay.bounds import RequestedBounds
from processor.replay.names import default_name, replayed, unknown, valid
from processor.replay.plan import Plan

if TYPE_CHECKING:
    from processor.cli.replay.live import Live

_ASK_EVERY_S: Final = 1.0
_INTERRUPTED: Final = 130


@takes_blocks
def command(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Names the replay; a new one's is the time by default."),
    ] = None,
    bounded: options.BoundOptions,
    extend: Annotated[
        bool,
        typer.Option("--extend", help="Go on to where the live service has come to since."),
    ] = False,
    max_rate: options.MaxRate = None,
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
    wanted = bounded.asked(settings.updates_topic, settings.group_id)
    if name is None and wanted is None:
        raise InputError(
            "it is neither said from where, nor which replay is to go on",
            hint="give one of the --from options, or the --name of one that `list` shows",
        )
    called = valid(name or default_name(time.time_ns() // 1_000_000))
    with answering():
        live = reach(settings)
        plan = _begun(live, called, wanted, extend=extend, as_json=as_json)
        own = replayed(settings, called).model_copy(update={"input_formats": plan.stream.formats})
        live.make_topics(plan, own)
    if not as_json:
        note(f"replay {called}: {plan.offsets:,} offsets of {len(plan.ranges)} partitions")
    from processor.bootstrap.service import fold_again

    with _watching(plan, settings, own, as_json=as_json):
        done = fold_again(own, settings, plan, max_rate)
    _conclude(plan, done=done, as_json=as_json)


def _begun(
    live: "Live", name: str, wanted: RequestedBounds | None, *, extend: bool, as_json: bool
) -> Plan:
    """Return the plan of the replay, which is begun, gone on with, or extended."""
    plan = live.replays.read(name)
    if plan is not None:
        if wanted is not None:
            raise InputError(
                f"replay {name} exists, and has its bounds",
                hint="leave the --from and --until options out to go on, or give another --name",
            )
        live.state.require_same(plan)
        return live.replays.rewrite(live.state.extended(plan)) if extend else plan
    if wanted is None:
        raise unknown(name)
    ranges, outputs, refused = bounds(live, wanted, as_json=as_json)
    if refused:
        raise refusal(refused)
    return live.begin(name, ranges, outputs)


@contextmanager
def _watching(plan: Plan, live: Settings, own: Settings, *, as_json: bool) -> Iterator[None]:
    """Show on a terminal how far all processes of the replay have come together."""
    bar = progress_bar(as_json=as_json)
    if bar.disable:
        yield
        return
    ended = Event()
    task = bar.add_task(f"replay {plan.name}", total=plan.offsets)

    def watch() -> None:
        asker = reach(live)
        while not ended.wait(_ASK_EVERY_S):
            try:
                places = asker.places(plan, own)
            except (LogUnavailable, ProcessorError):
                continue  # the replay itself tells what is wrong
            bar.update(task, completed=plan.offsets - plan.left(places))

    watcher = Thread(target=watch, daemon=True)
    with bar:
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _conclude(plan: Plan, *, done: bool, as_json: bool) -> None:
    if as_json:
        print_json({"name": plan.name, "offsets": plan.offsets, "done": done})
    elif done:
        note(f"replay {plan.name} is at its end")
    if not done:
        note(f"stopped: `replay run --name {plan.name}` goes on where it stood", as_json=as_json)
        raise typer.Exit(_INTERRUPTED)
