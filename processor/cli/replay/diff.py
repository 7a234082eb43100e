"""`replay diff`: what a replay published beside what was published live."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from processor.cli.common.output import Json, emit, note, print_json, progress_bar, settings_from
from processor.cli.common.reach import answering
from processor.cli.replay.options import Name
from processor.cli.replay.start import reach
from processor.ports.chunks import chunks_in
from processor.ports.log import Topic
from processor.replay.compare import Comparison, Difference, DifferenceKind
from processor.replay.names import replayed, valid
from processor.replay.plan import Plan, Range
from processor.telemetry.visible import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from processor.cli.replay.live import Live
    from processor.config import Settings


def command(
    ctx: typer.Context,
    name: Name,
    *,
    examples: Annotated[
        int, typer.Option(min=0, metavar="N", help="Show so many differences; --json shows all.")
    ] = 10,
    as_json: Json = False,
) -> None:
    """Compare a replay's snapshots with those that were published live.

    They are paired by key and input offset, and compared but for `version` and the memory of event
    ids. The exit code is 0 where all are equal, and 1 where one is changed, missing or extra.
    `compacted` are such as the live topic has lost to compaction: nothing is said of them. Where
    the replay has not begun, or its offsets have expired, the exit code is 9.

    Example: session-processor replay diff wrong-totals --examples 20
    """
    settings = settings_from(ctx)
    shown: list[tuple[int, Difference]] = []

    def take(partition: int, each: Difference) -> None:
        if as_json:
            print_json(difference_document(partition, each))
        elif len(shown) < examples:
            shown.append((partition, each))

    with answering():
        found = compared(settings, name, take, quiet=as_json)
    if as_json:
        print_json(found.document())
    else:
        emit(found.rows, as_json=False)
        for partition, each in shown:
            note(_line(partition, each))
        note(_conclusion(name, found))
    _tell_absent(found.places, as_json=as_json)
    if found.different:
        raise typer.Exit(1)


class Compared(NamedTuple):
    """What a comparison found."""

    rows: list[dict[str, object]]
    total: Counter[DifferenceKind]
    places: Mapping[int, int | None]
    """Up to where the replay has come in each partition, None: not begun."""

    @property
    def different(self) -> int:
        """How many snapshots differ."""
        kinds = DifferenceKind.CHANGED, DifferenceKind.MISSING, DifferenceKind.EXTRA
        return sum(self.total[kind] for kind in kinds)

    def document(self) -> dict[str, object]:
        """Return it for programs."""
        return {"summary": _counted(self.total), "partitions": self.rows}


def compared(
    settings: "Settings", name: str, take: Callable[[int, Difference], object], *, quiet: bool
) -> Compared:
    """Compare a replay with what was published live; `take` is given each difference."""
    own = replayed(settings, valid(name))
    rows: list[dict[str, object]] = []
    total: Counter[DifferenceKind] = Counter()
    live = reach(settings)
    plan = live.known(name)
    live.state.require_same(plan)
    places = live.places(plan, own)
    live.require_comparable(plan, places, own)
    with progress_bar(as_json=quiet) as bar:
        for partition, bounds in _ends(plan, places).items():
            with closing(_comparison(live, plan, own, partition, bounds)) as comparison:
                _fill(comparison, live, plan, own, partition, bar)
                for each in comparison.differences():
                    take(partition, each)
            total.update(comparison.counts)
            rows.append({"partition": partition, **_counted(comparison.counts)})
    return Compared(rows, total, places)


def _tell_absent(places: Mapping[int, int | None], *, as_json: bool) -> None:
    absent = [str(partition) for partition, at in places.items() if at is None]
    if absent:
        note(f"not begun, and not compared: partition {', '.join(absent)}", as_json=as_json)


def _comparison(
    live: "Live", plan: Plan, own: "Settings", partition: int, bounds: Range
) -> Comparison:
    former = plan.former(partition)
    seeded = live.seeded_end(own, partition) if former else 0
    return Comparison(
        bounds, live.values.seen, live.fields, last_only=plan.promoted, former=(former, seeded)
    )


def _ends(plan: Plan, places: Mapping[int, int | None]) -> dict[int, Range]:
    """Return what can be compared: up to where the replay has come."""
    return {
        partition: Range(each.start, min(each.end, max(each.start, places[partition] or 0)))
        for partition, each in plan.ranges.items()
    }


def _fill(  # noqa: PLR0917  two sides, and where to show it
    comparison: Comparison,
    live: "Live",
    plan: Plan,
    own: "Settings",
    partition: int,
    bar: "Progress",
) -> None:
    end = plan.output_ends[partition]
    if plan.promoted:
        end = live.coordination.extent(Topic.SESSIONS, partition).end
    for doing, take, records, total in (
        ("live", comparison.live, live.snapshots(partition, end), end),
        ("replay", comparison.again, *live.replayed_snapshots(own, partition)),
    ):
        task = bar.add_task(f"partition {partition}, {doing}", total=total)
        for chunk in chunks_in(records, 0, total, partial(bar.advance, task)):
            take(chunk)


def _counted(counts: Counter[DifferenceKind]) -> Mapping[str, int]:
    return {kind.value: counts[kind] for kind in DifferenceKind}


def difference_document(partition: int, each: Difference) -> dict[str, object]:
    """Return one difference for programs."""
    return {
        "kind": each.kind.value,
        "partition": partition,
        "key": each.key.decode(errors="backslashreplace"),
        "inputOffset": each.offset,
        "fields": {name: {"live": old, "replay": new} for name, (old, new) in each.fields.items()},
    }


def _line(partition: int, each: Difference) -> str:
    key = printable(each.key.decode(errors="backslashreplace"))
    fields = "".join(
        f"\n    {name}: {printable(repr(old))} → {printable(repr(new))}"
        for name, (old, new) in each.fields.items()
    )
    return f"{each.kind.value}  {key}  partition {partition}, input offset {each.offset}{fields}"


def _conclusion(name: str, found: Compared) -> str:
    different, total = found.different, found.total
    if not total.total():
        return f"replay {name} has published nothing that could be compared"
    if different:
        return f"{different:,} of {total.total():,} snapshots differ"
    return f"all that can be compared is equal: {total[DifferenceKind.EQUAL]:,} snapshots"
