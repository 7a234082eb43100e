"""`replay`: folding the live input again, beside the live service."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import Json, emit, emit_one, note, settings_from
from processor.cli.common.reach import answering
from processor.cli.replay import diff, options, promote, run
from processor.cli.replay.start import bounds, reach, refusal
from processor.config import Settings
from processor.errors import InputError
from processor.replay.bounds import Point
from processor.replay.names import replayed, unknown, valid
from processor.replay.plan import LiveOutput, Range

if TYPE_CHECKING:
    from processor.cli.replay.live import Live

app = typer.Typer(
    name="replay",
    no_args_is_help=True,
    help="Fold the input again, beside the live service, from any offset or time.",
)

_USUAL_RATE: Final = 10_000


@app.command()
@takes_blocks
def plan(
    ctx: typer.Context,
    *,
    bounded: options.BoundOptions,
    max_rate: options.MaxRate = None,
    as_json: Json = False,
) -> None:
    """Show what a replay would do, and what cannot be had; changes nothing.

    `bytes` are estimated from the first records; `seconds` from --max-rate, else from 10,000
    records a second. `run` takes the same options.

    Example: session-processor replay plan --from-time 2h
    """
    settings = settings_from(ctx)
    wanted = bounded.asked(settings.updates_topic, settings.group_id)
    if wanted is None:
        raise InputError("it is not said from where", hint="give one of the --from options")
    with answering():
        live = reach(settings)
        ranges, outputs, refused = bounds(live, wanted, as_json=as_json)
        rows = [
            _row(live, partition, each, refused, max_rate=max_rate, output=outputs[partition])
            for partition, each in ranges.items()
        ]
    emit(rows, as_json=as_json)
    if refused:
        raise refusal(refused)


@app.command()
def status(ctx: typer.Context, name: options.Name, *, as_json: Json = False) -> None:
    """Show how far a replay has come in each partition.

    Example: session-processor replay status wrong-totals
    """
    settings = settings_from(ctx)
    emit(progress_of(settings, name), as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: Json = False) -> None:
    """List the replays of this service.

    Example: session-processor replay list
    """
    emit(listed(settings_from(ctx)), as_json=as_json)


@app.command()
def drop(
    ctx: typer.Context,
    name: options.Name,
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
        live = reach(settings)
        if name not in live.replays.names():
            raise unknown(name)
        live.require_stopped(own)
    confirmed = yes or (not as_json and typer.confirm(f"Drop replay {name}?", err=True))
    if not confirmed:
        note("nothing was dropped; `--yes` drops it", as_json=as_json)
        return
    with answering():
        dropped = live.drop(name, own)
    emit_one({"name": name, "topics": dropped, "redis_prefix": own.redis_prefix}, as_json=as_json)


app.command("run")(run.command)
app.command("diff")(diff.command)
app.command("promote")(promote.command)


def _row(
    live: "Live",
    partition: int,
    each: Range,
    refused: Sequence[Point],
    *,
    max_rate: float | None,
    output: LiveOutput,
) -> dict[str, object]:
    points = [point for point in refused if point.partition == partition]
    state = "nothing" if each.start == 0 else f"live snapshots of input offsets below {each.start}"
    if output.former:
        state = f"live snapshots of a former input, and of input offsets below {each.start}"
    size = 0.0 if points else live.state.bytes_each(partition, each)
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


def progress_of(settings: Settings, name: str) -> list[dict[str, object]]:
    """Return how far a replay has come, by partition. Raises NotFound."""
    with answering():
        live = reach(settings)
        plan = live.known(name)
        places = live.places(plan, replayed(settings, name))
    return [
        {
            "partition": partition,
            "start": each.start,
            "at": places[partition],
            "end": each.end,
            "left": each.left(places[partition]),
        }
        for partition, each in plan.ranges.items()
    ]


def listed(settings: Settings) -> list[dict[str, object]]:
    """Return the replays of the service."""
    with answering():
        live = reach(settings)
        return [_listed(live, settings, name) for name in live.replays.names()]


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
        "left": found.left(places),
    }
