"""What can be measured, by name. Each scenario returns its figures."""

import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.expiring import expire
from bench.figures import Advance, Figures, Size
from bench.formats import formats
from bench.generations import retention
from bench.growth import size
from bench.latency import latency
from bench.observed import observed
from bench.restore import cold_start, restore
from bench.servers import servers
from bench.service import Place
from bench.stages import stages
from bench.takeover import takeover
from bench.throughput import batches, codecs, instances, throughput

RATES = (500, 2_000, 10_000)
"""The rates of `latency`, in updates a second."""


class Scenario(StrEnum):
    """The names that `--scenario` takes, in the order of a run."""

    THROUGHPUT = "throughput"
    CODECS = "codecs"
    FORMATS = "formats"
    STAGES = "stages"
    BATCHES = "batches"
    INSTANCES = "instances"
    LATENCY = "latency"
    RESTORE = "restore"
    COLD_START = "cold-start"
    TAKEOVER = "takeover"
    OBSERVED = "observed"
    SIZE = "size"
    RETENTION = "retention"
    EXPIRE = "expire"


SCENARIOS: dict[Scenario, Callable[[Place, Size, Advance], Figures]] = {
    Scenario.THROUGHPUT: throughput,
    Scenario.CODECS: codecs,
    Scenario.FORMATS: formats,
    Scenario.STAGES: stages,
    Scenario.BATCHES: batches,
    Scenario.INSTANCES: instances,
    Scenario.LATENCY: latency,
    Scenario.RESTORE: restore,
    Scenario.COLD_START: cold_start,
    Scenario.TAKEOVER: takeover,
    Scenario.OBSERVED: observed,
    Scenario.SIZE: size,
    Scenario.RETENTION: retention,
    Scenario.EXPIRE: expire,
}


def measured(scenarios: Iterable[Scenario], size: Size, partitions: int) -> dict[str, Figures]:
    """Run the scenarios on servers of their own, which end with them.

    One that fails is told on stderr and left out: the others took their time, too.
    """
    figures: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, _progress() as progress:
        task = progress.add_task("starting Kafka and Valkey", total=None)
        with servers(Path(name), partitions, "bench") as place:
            for each in scenarios:
                own = replace(place, name=f"bench-{each}")
                try:
                    figures[each] = SCENARIOS[each](own, size, _advance(progress, task, each))
                except (RuntimeError, TimeoutError) as failed:
                    print(f"{each}: not measured: {failed}", file=sys.stderr)
    return figures


def _advance(progress: Progress, task: object, scenario: str) -> Advance:
    shown = ""

    def advance(doing: str, done: int, total: int) -> None:
        nonlocal shown
        if doing != shown:
            shown = doing
            progress.reset(task, description=f"{scenario}: {doing}", total=total or None)  # type: ignore[arg-type]  # an int under a NewType
        progress.advance(task, done)  # type: ignore[arg-type]

    return advance


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
