"""One simulation, from its plan to what came of it."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from traceback import extract_tb
from typing import NamedTuple

import structlog

from simulation.actors import begin
from simulation.faults import arrange
from simulation.plan import Plan
from simulation.scheduler import Violation
from simulation.world import Step, World

REST_WITHIN_S = 240.0
"""Virtual seconds after the last fault within which all is processed and ready."""
_MOST_STEPS = 40_000
_LOOK_EVERY = 8
_LEAST_CALLS = 200
_ALLOCATIONS = 200_000


class Result(NamedTuple):
    """What came of a simulation."""

    violation: str | None
    calls: int
    faults: int
    commits: int
    endings: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether there was enough in it to tell something."""
        return self.calls >= _LEAST_CALLS and self.faults > 0 and self.commits > 0


@contextmanager
def quiet() -> Iterator[None]:
    """Have the services log nothing, and cycles looked for as rarely as a running service does."""
    before, often = structlog.get_config(), gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        structlog.configure(**before)
        gc.set_threshold(*often)


def simulate(plan: Plan, trace: Callable[[Step], None] | None = None) -> Result:
    """Run a plan; call it within `quiet`."""
    world = World(plan, trace)
    violation = None
    try:
        _run(world)
    except Violation as error:
        violation = str(error)
    except Exception as error:  # noqa: BLE001  whatever ended a process: it is a finding
        last = extract_tb(error.__traceback__)[-1]
        violation = f"a process crashed: {error!r} in {last.name}, {last.filename}:{last.lineno}"
    finally:
        world.scheduler.close()
    if violation is not None:
        world.tell(f"VIOLATION: {violation}")
    return Result(
        violation,
        world.scheduler.step,
        world.happened,
        world.check.commits,
        tuple(world.endings),
    )


def _run(world: World) -> None:
    scheduler, plan = world.scheduler, world.plan
    for _ in range(plan.processes):
        world.start()
    for step, count in plan.feeds:
        scheduler.at_step(step, partial(world.feed, count))
    for acts in plan.actors:
        begin(world, acts)
    for happens in plan.faults:
        scheduler.at_step(happens.step, partial(arrange, world, happens))
    scheduler.run(lambda: scheduler.step >= plan.horizon or bool(world.endings))
    world.heal()
    limit = scheduler.now + REST_WITHIN_S
    look = 0

    def rests() -> bool:
        nonlocal look
        look += 1
        if look % _LOOK_EVERY:
            return False
        why = world.unrest()
        if why is None:
            return True
        if scheduler.now > limit or scheduler.step > _MOST_STEPS:
            raise Violation(f"not at rest {REST_WITHIN_S} s after the last fault: {why}")
        return False

    scheduler.run(rests)
