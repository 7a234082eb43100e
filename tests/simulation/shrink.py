"""A failing plan, cut down to what it needs to fail."""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from simulation.plan import Acts, Plan
from simulation.run import simulate

Part = TypeVar("Part")
_MOST_TRIES = 400
_OF_ONE_RUN = re.compile(r"[0-9]+|'[^']*'|b\"[^\"]*\"")


def shrink(plan: Plan, violation: str) -> Plan:
    """Return a plan with fewer faults, then fewer events, that fails in the same way.

    To drop one changes all that follows, so a plan may be left that a luckier way would cut more.
    """
    kind = _kind(violation)
    tries = 0

    def fails(candidate: Plan) -> bool:
        found = simulate(candidate).violation
        return found is not None and _kind(found) == kind

    getting_on = True
    while getting_on:
        getting_on = False
        for candidate in _smaller(plan):
            tries += 1
            if tries > _MOST_TRIES:
                return plan
            if fails(candidate):
                plan, getting_on = candidate, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    for faults in _without_some(plan.faults):
        yield plan._replace(faults=faults)
    for feeds in _without_some(plan.feeds):
        yield plan._replace(feeds=feeds)
    for actors in _fewer_acts(plan.actors):
        yield plan._replace(actors=actors)
    if plan.retains:
        yield plan._replace(retains=False)
    if plan.processes > 1:
        yield plan._replace(processes=plan.processes - 1)
    for step in sorted({each.step for each in plan.faults}):
        if step + 50 < plan.horizon:
            yield plan._replace(horizon=step + 50)
    for change in _SIMPLER:
        candidate = change(plan)
        if candidate != plan:
            yield candidate


def _fewer_acts(actors: tuple[Acts, ...]) -> Iterator[tuple[Acts, ...]]:
    yield from _without_some(actors)
    for place, acts in enumerate(actors):
        for faults in _without_some(acts.faults):
            yield (*actors[:place], acts._replace(faults=faults), *actors[place + 1 :])


_SIMPLER: tuple[Callable[[Plan], Plan], ...] = (
    lambda plan: plan._replace(marker_delay=0.0),
    lambda plan: plan._replace(quiet=False),
    lambda plan: plan._replace(part=20),
    lambda plan: plan._replace(max_batch=50),
    lambda plan: plan._replace(chunk=100),
)


def _without_some(parts: tuple[Part, ...]) -> Iterator[tuple[Part, ...]]:
    """Yield the parts without a half, a quarter, and so on down to one."""
    size = (len(parts) + 1) // 2
    while size:
        for start in range(0, len(parts), size):
            yield parts[:start] + parts[start + size :]
        size = size // 2


def _kind(violation: str) -> str:
    """Return what a violation says, without what is of one run alone."""
    return _OF_ONE_RUN.sub("", violation.split(": published", maxsplit=1)[0])[:80]
