"""`sessions erase`: end what is a person's, and tell by when it is gone from where."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from uuid import uuid4

import typer

from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import Json, emit, emit_one, note, progress_bar, settings_from
from processor.cli.common.reach import answering
from processor.cli.sessions import erase_options
from processor.config import Settings
from processor.errors import InputError, KeptWithoutEnd
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.instants import iso_time
from processor.telemetry.visible import printable

if TYPE_CHECKING:
    from processor.erasure.erasure import Erasure, Plan
    from processor.erasure.report import PlaceState, Report

_SHOWN: Final = 20
"""How many sessions are told to people."""


@takes_blocks
def command(
    ctx: typer.Context,
    *,
    asked: erase_options.AskedOptions,
    yes: Annotated[bool, typer.Option("--yes", help="Send the commands.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The report, a new file; erasure-TIME.json by default."),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long the service may take.")
    ] = 120.0,
    verify: Annotated[
        Path | None,
        typer.Option(metavar="REPORT", help="See whether what was erased is gone by now."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Erase what is a person's: sessions, and what they claim.

    Reads output, claims, dead letters, input, Redis and replays to their ends, and says what it
    found and by when it would be gone from each. Sends nothing without --yes; with it, a command to
    each session, which the running service carries out. The report that is written then names the
    ids and no value, and its owner alone may read it.

    --verify searches everything again. The exit code is 1 where something should be gone by now and
    is not, or began again; 14 where something is kept without an end; else 0. Once nothing is found
    any more, the report's ids are hashed.

    Example: session-processor sessions erase --profile 1:ann --yes
    """
    settings = settings_from(ctx)
    if verify is not None:
        if asked.given or yes or report:
            raise InputError("--verify takes its report alone", hint="leave the other options out")
        _verify(settings, verify, as_json=as_json)
        return
    ids = asked.ids()
    with _erasure(settings, as_json=as_json) as erasure:
        plan = erasure.look(ids)
        _tell_plan(plan, as_json=as_json)
        places = plan.report.places
        if yes:
            path = report or Path(time.strftime("erasure-%Y%m%dT%H%M%SZ.json", time.gmtime()))
            _tell_kept(plan.kept, as_json=as_json)
            places = _carry_out(erasure, plan, path, wait, as_json=as_json).places
    if not yes:
        note("nothing was sent; `--yes` sends", as_json=as_json)
    _conclude(places, sent=yes, as_json=as_json)


def _carry_out(
    erasure: "Erasure", plan: "Plan", path: Path, wait: float, *, as_json: bool
) -> "Report":
    """Send, wait until it is done, and return the report, which is in the file at each step."""
    erase_options.new_report(path, plan.report)
    sent = erasure.send(plan)
    erase_options.save_report(path, sent)
    note(f"sent {sent.commands} commands; the report is {path}", as_json=as_json)
    done = erasure.finish(sent, plan.found, wait)
    erase_options.save_report(path, done)
    emit_one({"report": str(path), "commands": done.commands}, as_json=as_json)
    return done


def _verify(settings: Settings, path: Path, *, as_json: bool) -> None:
    report = erase_options.read_report(path)
    with _erasure(settings, as_json=as_json) as erasure:
        after, judged = erasure.verify(report)
    if after != report:
        erase_options.save_report(path, after)
    emit((_row(each._asdict()) for each in judged), as_json=as_json)
    if after.hashed:
        note("nothing of it is found any more; the ids in the report are hashed", as_json=as_json)
    if any(each.is_wrong for each in judged):
        raise typer.Exit(1)
    _conclude_kept([each.place for each in judged if each.state == "kept"])


@contextmanager
def _erasure(settings: Settings, *, as_json: bool) -> Iterator["Erasure"]:
    from processor.bootstrap.erasing import deployment_of
    from processor.erasure.erasure import Erasure

    with (
        answering(),
        deployment_of(settings) as deployment,
        progress_bar(as_json=as_json) as bar,
    ):
        passed = partial(bar.advance, bar.add_task("reading", total=None))
        yield Erasure(deployment, SYSTEM_CLOCK, _fresh, passed)


def _fresh() -> str:
    return f"erase-{uuid4().hex}"


def _tell_plan(plan: "Plan", *, as_json: bool) -> None:
    targets = plan.discovered.targets
    shown = targets if as_json else targets[:_SHOWN]
    emit(
        (
            {
                "session": each.key,
                "partitions": list(each.partitions),
                "forgets": len(each.forget),
                "releases": len(each.release),
            }
            for each in shown
        ),
        as_json=as_json,
    )
    if len(shown) < len(targets):
        note(f"and {len(targets) - len(shown):,} sessions more: --json tells all")
    if not as_json:
        emit((_row(each._asdict()) for each in plan.report.places), as_json=False)
    for each in erase_options.told(plan.discovered.unknown):
        note(f"no session, claim or waiting update is known of: {printable(each)}", as_json=as_json)


def _tell_kept(kept: Sequence[str], *, as_json: bool) -> None:
    if kept:
        note(f"kept without an end: {', '.join(kept)}", as_json=as_json)


def _conclude(places: "Sequence[PlaceState]", *, sent: bool, as_json: bool) -> None:
    from processor.erasure.erasure import kept_in

    if sent or as_json:
        emit((_row(each._asdict()) for each in places), as_json=as_json)
    _conclude_kept(kept_in(places))


def _conclude_kept(kept: Sequence[str]) -> None:
    """Raise KeptWithoutEnd where anything is kept."""
    if kept:
        raise KeptWithoutEnd(
            f"kept without an end: {', '.join(kept)}",
            hint="the column what_to_do says what ends it; all else is as told",
        )


def _row(fields: Mapping[str, object]) -> dict[str, object]:
    """Return what is printed of a place: times as dates."""
    return {
        name: iso_time(value) if name.endswith("_by") and isinstance(value, int) else value
        for name, value in fields.items()
    }
