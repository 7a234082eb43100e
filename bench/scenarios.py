"""What can be measured, by name. Each scenario returns its figures."""

from collections.abc import Callable
from enum import StrEnum

from bench.figures import Advance, Figures, Size
from bench.growth import size
from bench.latency import latency
from bench.restore import cold_start, restore
from bench.service import Place
from bench.stages import stages
from bench.takeover import takeover
from bench.throughput import batches, codecs, instances, throughput


class Scenario(StrEnum):
    """The names that `--scenario` takes, in the order of a run."""

    THROUGHPUT = "throughput"
    CODECS = "codecs"
    STAGES = "stages"
    BATCHES = "batches"
    INSTANCES = "instances"
    LATENCY = "latency"
    RESTORE = "restore"
    COLD_START = "cold-start"
    TAKEOVER = "takeover"
    SIZE = "size"


SCENARIOS: dict[Scenario, Callable[[Place, Size, Advance], Figures]] = {
    Scenario.THROUGHPUT: throughput,
    Scenario.CODECS: codecs,
    Scenario.STAGES: stages,
    Scenario.BATCHES: batches,
    Scenario.INSTANCES: instances,
    Scenario.LATENCY: latency,
    Scenario.RESTORE: restore,
    Scenario.COLD_START: cold_start,
    Scenario.TAKEOVER: takeover,
    Scenario.SIZE: size,
}
