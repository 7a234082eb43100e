"""What a live run and a replay differ in; the rest of the service cannot tell them apart."""

from collections.abc import Generator, Mapping
from typing import NamedTuple

from processor.bootstrap.adapters import Adapters
from processor.partitions.acquire import Prepare
from processor.partitions.takeover import First, Start, first_position
from processor.replay import seed
from processor.replay.exact import Values
from processor.replay.plan import Plan
from processor.state.checkpoint import Position
from processor.state.claims import ClaimsSource


class Run(NamedTuple):
    """Where a run begins, upon what, and where it ends."""

    first: First
    prepare: Prepare
    inherited: ClaimsSource | None = None
    """Claims that were made elsewhere, and hold here."""
    ends: Mapping[int, int] | None = None
    """The input offsets at which it ends by itself; None: it does not."""
    max_rate: float | None = None
    """In records a second."""
    mixed_framing: bool = False
    """Whether the output may hold values that were framed in another way."""

    def batch(self, limit: int) -> int:
        """Return how many records one poll may take: what a second has room for, at the most."""
        return limit if self.max_rate is None else max(1, min(limit, int(self.max_rate)))


def live_run(
    adapters: Adapters,
    start: Start,
    ends: Mapping[int, int] | None = None,
    *,
    mixed_framing: bool = False,
) -> Run:
    """Return a run that goes on where the group is, and begins at `start` where it is nowhere."""
    first = first_position(start, adapters.log.coordination)
    return Run(first, _as_it_is, ends=ends, mixed_framing=mixed_framing)


def replay_run(
    adapters: Adapters,
    plan: Plan,
    live: seed.LiveTopics,
    values: Values,
    max_rate: float | None = None,
) -> Run:
    """Return a run that goes through the plan, beside the live topics.

    `values` says how their values are read; it raises FailClosed for what is no snapshot.
    """
    stream, log = adapters.log.stream, adapters.log
    copy = seed.Seed(
        plan=plan,
        values=values,
        live=live,
        subscription=log.subscription,
        publication=log.publication,
        stream=stream,
    )
    return Run(
        seed.first_position(plan, log.coordination),
        copy,
        ClaimsSource(live.scan, plan.claims_ends),
        plan.ends(stream.partitions),
        max_rate,
    )


def _as_it_is(_partition: int, position: Position) -> Generator[bool, None, Position]:
    """Prepare nothing."""
    yield from ()
    return position
