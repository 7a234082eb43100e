"""Plans that found something: whatever their seed, they pass now."""

from typing import Final

from simulation.plan import Acts, Happens, Plan

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

COMPACTED: Final = Plan(
    seed=385,
    history=592621549,
    partitions=2,
    processes=1,
    switching=0.6,
    latency=0.01,
    marker_delay=0.0,
    quiet=False,
    max_batch=50,
    part=20,
    chunk=100,
    cache_bytes=0,
    horizon=300,
    feeds=((114, 4), (243, 1)),
    faults=(Happens(162, "compaction", 3, 5.0, 28851, "publication.begin", "after"),),
    actors=(Acts(212, "replay", 44332, ()),),
)
"""Compaction removes a state that a replay needs, once the replay is begun and before it is copied.
"""

CLAIMED: Final = Plan(
    seed=18918,
    history=831572015,
    partitions=1,
    processes=1,
    switching=0.1,
    latency=0.002,
    marker_delay=0.0,
    quiet=False,
    max_batch=50,
    part=20,
    chunk=100,
    cache_bytes=4_000,
    horizon=740,
    feeds=((0, 5), (174, 3), (509, 4)),
    faults=(
        Happens(329, "commit never ends", 3, 0.5, 9891, "publication.commit"),
        Happens(403, "commit never ends", 1, 2.0, 2533, "publication.commit"),
        Happens(690, "input expired", 2, 70.0, 20189),
    ),
    actors=(Acts(234, "repair", 17770, ()),),
)
"""A claim is in Redis whose batch was aborted, and its update expires. The repair has it forgotten.
"""

FOUND: Final = {
    "a virgin partition": VIRGIN,
    "a state that was compacted away": COMPACTED,
    "a claim of a lost update": CLAIMED,
}
