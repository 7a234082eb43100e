"""Plans that found something: whatever their seed, they pass now."""

from typing import Final

from simulation.plan import Happens, Plan

_SIMPLE: Final = Plan(
    seed=0,
    history=1,
    partitions=1,
    processes=2,
    switching=0.1,
    latency=0.0005,
    marker_delay=0.0,
    quiet=False,
    max_batch=50,
    part=20,
    chunk=100,
    cache_bytes=1 << 20,
    horizon=400,
    feeds=((0, 4),),
    faults=(),
)

_EXTENT = "coordination.extent"
VIRGIN: Final = _SIMPLE._replace(
    seed=1,
    horizon=1_500,
    faults=(
        # It asks for the claims' end, for the output's, and for the output's again.
        Happens(0, "stop", 0, 0.001, 0, _EXTENT),
        Happens(0, "stop", 0, 0.001, 1, _EXTENT),
        Happens(0, "stop", 0, 6.0, 2, _EXTENT),
    ),
)
"""A process is told that a partition has no offset, and stops; another takes it over and publishes.
The first one goes on, finds what was published, and must not take that for a fault."""

FOUND: Final = {"a virgin partition": VIRGIN}
