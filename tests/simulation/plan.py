"""What a simulation is to be: drawn from its seed, and cut down where it fails."""

from random import Random
from typing import NamedTuple

from simulation.ports import DEFERRABLE, REFUSED, UNANSWERED, Side

POINTS = (
    *("subscription.take", "scan.read"),
    *("publication.begin", "publication.send", "publication.flush", "publication.commit"),
    *("publication.abort", "publication.replace"),
    *("coordination.committed", "coordination.extent", "coordination.fence"),
    *("cache.read", "cache.load", "cache.write", "cache.begin", "cache.fill", "cache.flip"),
    *("cache.check", "claims.holders", "claims.take", "claims.is_current"),
    *("claims.begin", "claims.fill", "claims.finish", "claims.stream"),
    *("claims.give_up", "claims.finish_removals"),
)
"""Calls at which something is likelier to happen than at any other."""

ANYWHERE = (
    *("kill", "stop", "terminate", "join", "session timeout", "transaction timeout", "fenced"),
    *("kafka away", "coordinator away", "leader away", "retention", "compaction", "clock"),
    *("redis flush", "redis failover", "redis restart", "redis full", "redis away", "redis split"),
    *("redis key", "lease expiry"),
)
"""Faults that happen at any moment, or at a call."""
EVIDENCE = (
    *("offset gone", "offset reset", "offset gone back", "offsets expired"),
    *("topic created again", "output cut", "input expired"),
)
"""Faults after which somebody has to end by itself, and say why: going on would be wrong."""
WRONG_CLOCKS_S = (-40 * 86_400.0, -3_600.0, -1.0, 1.0, 3_600.0, 40 * 86_400.0)
"""By how much the time of day of a process may be wrong."""
AT_A_CALL = {
    "unanswered": tuple(UNANSWERED),
    "answer lost": tuple(UNANSWERED),
    "refused": tuple(REFUSED),
    "done later": tuple(sorted(DEFERRABLE)),
    "commit later": ("publication.commit",),
    "commit never ends": ("publication.commit",),
    "end comes late": ("publication.commit", "publication.abort"),
    "nothing read": ("scan.read",),
    "not fenced yet": ("coordination.fence",),
}
"""Faults of a call, with the calls that they may be of."""


_SENDER = ("sender.open", "sender.positions", "sender.transact")
_REPAIR = ("coordination.committed", "coordination.extent", "scan.read", "offsets.set")
_REPLAY = ("coordination.extent", "scan.read", "publication.flush", "publication.commit")
_PROMOTE = (
    *("coordination.extent", "coordination.committed", "coordination.fence"),
    *("publication.replace", "publication.begin", "publication.send"),
    *("publication.flush", "publication.commit"),
)
COMMANDS = {
    "redrive": (
        *((fault, method) for fault in ("kill", "stop") for method in (*_SENDER, "scan.read")),
        *((fault, method) for fault in ("unanswered", "answer lost") for method in _SENDER),
        *(
            (fault, "sender.transact")
            for fault in ("refused", "commit later", "commit later", "commit never ends")
        ),
        ("kill", ""),
        ("stop", ""),
    ),
    "repair": (
        *(("kill", method) for method in _REPAIR),
        *(("unanswered", method) for method in _REPAIR if method != "scan.read"),
        ("answer lost", "offsets.set"),
        ("kill", ""),
    ),
    "replay": (
        *((fault, method) for fault in ("kill", "stop", "session timeout") for method in _REPLAY),
        *(("answer lost", method) for method in _REPLAY if method != "scan.read"),
        *((fault, "publication.commit") for fault in ("refused", "commit later", "fenced")),
        ("commit never ends", "publication.commit"),
        ("join", ""),
        ("kill", ""),
    ),
    "promote": (
        *((fault, method) for fault in ("kill", "stop", "fenced") for method in _PROMOTE),
        *((fault, method) for fault in ("unanswered", "answer lost") for method in _PROMOTE),
        *((fault, "publication.commit") for fault in ("refused", "commit later", "end comes late")),
        ("commit never ends", "publication.commit"),
        ("refused", "publication.flush"),
        ("session timeout", "publication.commit"),
        ("join", ""),
        ("kill", ""),
    ),
}
"""Commands that are run beside the services: each one's faults, and at which call they happen."""


class Happens(NamedTuple):
    """One fault: at a step, or at a process's first call of `method` from then on."""

    step: int
    fault: str
    process: int
    seconds: float
    amount: int
    method: str = ""
    side: Side = "before"

    def __str__(self) -> str:
        where = f", {self.side} its next {self.method}" if self.method else ""
        return f"step {self.step}: {self.fault} (process {self.process}{where}; {self.seconds} s)"


class Acts(NamedTuple):
    """A command that is begun at a step; its faults are at steps from then on."""

    step: int
    actor: str
    amount: int
    faults: tuple[Happens, ...]

    def __str__(self) -> str:
        return "; ".join([f"step {self.step}: {self.actor}", *map(str, self.faults)])


class Plan(NamedTuple):
    """Everything that a simulation is drawn from."""

    seed: int
    history: int
    partitions: int
    processes: int
    switching: float
    """How likely a call gives way to another process."""
    latency: float
    marker_delay: float
    quiet: bool
    max_batch: int
    part: int
    chunk: int
    cache_bytes: int
    horizon: int
    """The step at which faults end."""
    feeds: tuple[tuple[int, int], ...]
    """At which step how many of the input's feeds are written."""
    faults: tuple[Happens, ...]
    actors: tuple[Acts, ...] = ()
    retains: bool = False
    """Whether the services end sessions by themselves, but for cancelled ones."""


def draw(seed: int) -> Plan:
    """Return the plan of a seed. Of all faults each plan has few kinds, and those often."""
    chance = Random(f"plan {seed}")
    horizon = chance.choice((150, 300, 500, 900))
    kinds = chance.sample((*ANYWHERE, *AT_A_CALL), k=chance.choice((1, 2, 2, 3, 4, 6)))
    if "not fenced yet" in kinds:
        kinds.append("commit never ends")  # else there is hardly anybody to fence
    count = chance.choice((1, 2, 3, 4, 6, 9))
    # That input comes while faults happen is what makes the most of them.
    feeds = [(chance.randrange(horizon), chance.randint(1, 4)) for _ in range(chance.randint(1, 6))]
    faults = [_happens(chance, chance.choice(kinds), horizon) for _ in range(count)]
    if chance.random() < 0.05:
        evidence = _happens(chance, chance.choice(EVIDENCE), horizon)
        faults.append(evidence._replace(step=max(evidence.step, horizon // 2)))
    return Plan(
        seed=seed,
        history=chance.randrange(1 << 30),
        partitions=chance.choice((1, 2, 2, 3)),
        processes=chance.choice((2, 2, 2, 3, 4)),
        switching=chance.choice((0.03, 0.1, 0.3, 0.6)),
        latency=chance.choice((0.0005, 0.002, 0.01, 0.05)),
        marker_delay=chance.choice((0.0, 0.0, 0.05, 0.5)),
        quiet=chance.random() < 0.5,
        max_batch=chance.choice((3, 8, 50)),
        part=chance.choice((2, 20)),
        chunk=chance.choice((2, 5, 100)),
        cache_bytes=chance.choice((0, 4_000, 1 << 20)),
        horizon=horizon,
        feeds=((0, chance.randint(0, 6)), *sorted(feeds)),
        faults=tuple(sorted(faults)),
        actors=_actors(seed, horizon, repair=any(each.fault in EVIDENCE for each in faults)),
        retains=Random(f"retention {seed}").random() < 0.2,
    )


def _actors(seed: int, horizon: int, *, repair: bool) -> tuple[Acts, ...]:
    """Draw what is done beside the services; what has to be repaired is not drawn upon."""
    chance = Random(f"actors {seed}")
    names = chance.choice(((), (), (), ("redrive",), ("replay",), ("redrive", "replay")))
    if not names and Random(f"promote {seed}").random() < 0.2:
        names = ("promote",)
    return tuple(
        Acts(
            chance.randrange(horizon),
            name,
            chance.randrange(1 << 16),
            tuple(sorted(_of_command(chance, name) for _ in range(chance.choice((0, 1, 2, 3))))),
        )
        for name in (("repair",) if repair else names)
    )


def _of_command(chance: Random, name: str) -> Happens:
    """Return a fault of a command, or of a replay's process."""
    fault, method = chance.choice(COMMANDS[name])
    side: Side = "before" if chance.random() < 0.5 else "after"
    return Happens(
        step=chance.choice((0, 0, chance.randrange(200))),
        fault=fault,
        process=0,
        seconds=chance.choice((0.05, 0.5, 2.0, 5.0, 12.0)),
        amount=chance.randrange(1 << 16),
        method=method,
        side="before" if fault in AT_A_CALL else side,
    )


def _happens(chance: Random, fault: str, horizon: int) -> Happens:
    happens = Happens(
        step=chance.randrange(horizon),
        fault=fault,
        process=chance.randrange(4),
        seconds=chance.choice((0.05, 0.5, 2.0, 5.0, 12.0, 70.0)),
        amount=chance.randrange(1 << 16),
    )
    if fault in AT_A_CALL:
        return happens._replace(method=chance.choice(AT_A_CALL[fault]))
    if fault in EVIDENCE:
        return happens
    if chance.random() < 0.6:
        side: Side = "before" if chance.random() < 0.5 else "after"
        return happens._replace(method=chance.choice(POINTS), side=side)
    return happens
