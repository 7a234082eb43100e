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

COMPACTED: Final = _SIMPLE._replace(
    seed=385,
    history=592621549,
    partitions=2,
    processes=1,
    switching=0.6,
    latency=0.01,
    cache_bytes=0,
    horizon=300,
    feeds=((114, 4), (243, 1)),
    faults=(Happens(162, "compaction", 3, 5.0, 28851, "publication.begin", "after"),),
    actors=(Acts(212, "replay", 44332, ()),),
)
"""Compaction removes a state that a replay needs, once the replay is begun and before it is copied.
"""

CLAIMED: Final = _SIMPLE._replace(
    seed=18918,
    history=831572015,
    processes=1,
    latency=0.002,
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

EXPIRED: Final = _SIMPLE._replace(
    seed=745130302159,
    history=955061582,
    switching=0.3,
    latency=0.05,
    max_batch=3,
    chunk=2,
    horizon=855,
    feeds=((162, 4),),
    faults=(Happens(805, "retention", 0, 0.5, 33343),),
    actors=(
        Acts(
            258,
            "replay",
            54427,
            (
                Happens(0, "join", 0, 0.05, 50281, "", "after"),
                Happens(0, "kill", 0, 2.0, 5108, "coordination.extent"),
            ),
        ),
    ),
)
"""Input expires before a replay has read it, and a process of it that waits for the other one must
not say that all is done."""

UNCOMMITTED: Final = _SIMPLE._replace(
    seed=745130297146,
    history=35432773,
    partitions=2,
    switching=0.03,
    latency=0.002,
    cache_bytes=4_000,
    horizon=150,
    feeds=((9, 1), (121, 2)),
    faults=(
        Happens(52, "join", 1, 2.0, 36087),
        Happens(121, "kafka away", 1, 70.0, 19837, "claims.take"),
    ),
    actors=(Acts(10, "replay", 16765, ()),),
)
"""A replay is begun between the taking of a claim and its commit: it cannot know of the claim. The
documents say so, and simulated replays begin a little later."""

COMMANDED: Final = _SIMPLE._replace(
    seed=567,
    history=632385344,
    partitions=3,
    processes=1,
    latency=0.01,
    marker_delay=0.05,
    chunk=2,
    cache_bytes=0,
    horizon=300,
    feeds=((0, 6),),
    faults=(Happens(182, "offset gone back", 3, 0.05, 21606),),
    actors=(Acts(297, "repair", 41606, ()),),
)
"""An offset goes back to one from before a command, and the repair sets it behind the command. What
it commits must say that one was passed, as its text of before does not."""

UNMARKED: Final = _SIMPLE._replace(
    seed=197675655209,
    history=74192596,
    partitions=2,
    processes=4,
    switching=0.6,
    latency=0.01,
    marker_delay=0.5,
    max_batch=8,
    chunk=5,
    horizon=500,
    feeds=((0, 0), (135, 1), (237, 2)),
    faults=(
        Happens(72, "stop", 2, 0.5, 45841, "subscription.take", "after"),
        Happens(172, "stop", 2, 5.0, 36198, "publication.commit", "after"),
    ),
    actors=(Acts(286, "replay", 6897, ()),),
)
"""A batch with a command is committed, and its marker is not in the output yet. What a replay knows
of the output must go as far as what it knows of the input's commands.
"""

CLAIMED_AGAIN: Final = _SIMPLE._replace(
    seed=197675645715,
    history=943590398,
    partitions=3,
    latency=0.01,
    marker_delay=0.05,
    quiet=True,
    horizon=150,
    feeds=((0, 3), (16, 1), (37, 3), (76, 2), (77, 2), (137, 3), (143, 1)),
    faults=(Happens(60, "redis restart", 3, 2.0, 60283, "coordination.fence"),),
    actors=(Acts(35, "replay", 12017, ()),),
)
"""An erase ends a session, which begins again and claims a profile that the erase has named. In a
replay the claim is there before the erase, which must leave it alone."""

FENCED: Final = _SIMPLE._replace(
    history=266,
    max_batch=3,
    feeds=((0, 6),),
    faults=(Happens(30, "stop", 1, 12.0, 0, "claims.take"),),
)
"""A process is stopped before it takes a claim; its successor takes it, and an erase ends it."""

OVERTAKEN: Final = _SIMPLE._replace(
    seed=636271660069,
    history=264147025,
    partitions=2,
    latency=0.002,
    quiet=True,
    max_batch=3,
    part=2,
    chunk=2,
    cache_bytes=4000,
    horizon=900,
    feeds=((92, 3), (561, 1), (886, 1)),
    faults=(
        Happens(520, "stop", 1, 70.0, 54871),
        Happens(863, "retention", 2, 12.0, 39776, "cache.load"),
    ),
)
"""A process is stopped; another goes on with its partition, and what they processed expires. Where
the first one would read on is outside the log then, before it learns that nothing is its own."""

CUT: Final = _SIMPLE._replace(
    seed=261065290031,
    history=65425062,
    partitions=2,
    latency=0.002,
    horizon=160,
    feeds=(),
    faults=(
        Happens(110, "commit later", 0, 12.0, 13173, "publication.commit"),
        Happens(607, "output cut", 3, 0.5, 17097),
    ),
    actors=(Acts(216, "repair", 42624, ()),),
)
"""The output loses its end, which was no snapshot: the repair cannot know that, and says that dead
letters behind the last snapshot come again."""

FOUND: Final = {
    "a former owner that claims": FENCED,
    "a claim of a session that began again": CLAIMED_AGAIN,
    "a command that a repair passes": COMMANDED,
    "a letter behind an output that lost its end": CUT,
    "a virgin partition": VIRGIN,
    "an owner that is outside the log": OVERTAKEN,
    "a state that was compacted away": COMPACTED,
    "a claim of a lost update": CLAIMED,
    "input of a replay that expired": EXPIRED,
    "a replay beside a marker that is not written": UNMARKED,
    "a replay beside a claim that is not committed": UNCOMMITTED,
}
