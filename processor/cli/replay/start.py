"""Where a replay can start, for `plan` and `run`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from processor.cli.common.output import progress_bar
from processor.config import Settings
from processor.errors import InputError
from processor.replay.bounds import Point, RequestedBounds, bound
from processor.replay.plan import LiveOutput, Range

if TYPE_CHECKING:
    from processor.cli.replay.live import Live


def reach(settings: Settings) -> "Live":
    """Connect to the live service's servers."""
    from processor.cli.replay.live import Live

    return Live(settings)


def bounds(
    live: "Live", wanted: RequestedBounds, *, as_json: bool
) -> tuple[Mapping[int, Range], Mapping[int, LiveOutput], Sequence[Point]]:
    """Return the ranges, the live output, and what cannot be had."""
    found, outputs = live.state.look()
    ranges, refused = bound(wanted, found, live.coordination.offset_at)
    apart = {point.partition for point in refused}
    exact = {partition: each for partition, each in ranges.items() if partition not in apart}
    with progress_bar(as_json=as_json) as bar:
        tasks = {
            partition: bar.add_task(f"reading partition {partition}", total=outputs[partition].end)
            for partition, each in exact.items()
            if each.start or outputs[partition].former
        }
        inexact = live.state.inexact(
            exact,
            outputs,
            live.values,
            lambda partition, done, whole: bar.update(
                tasks[partition], completed=done, total=whole
            ),
        )
    return ranges, outputs, [*refused, *inexact]


def refusal(refused: Sequence[Point]) -> InputError:
    """Return what is raised where a start cannot be had: it names the first that can."""
    whys = "; ".join(f"partition {point.partition}: {point.why}" for point in refused)
    starts = ",".join(f"{point.partition}:{point.earliest}" for point in refused)
    return InputError(
        f"the replay cannot start there: {whys}",
        hint=f"the earliest possible offsets of these partitions: --from-offset {starts}",
    )
