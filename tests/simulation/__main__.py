"""`make simulate`: many seeds on all cores, or one of them with its trace."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from random import SystemRandom

from simulation.plan import draw
from simulation.report import in_words, plan_in_words, tells
from simulation.run import Result, quiet, simulate
from simulation.shrink import shrink
from simulation.world import Step

_CHUNK = 100
_TOLD_EVERY = 2_000
_LAST_STEPS = 60


def main() -> int:
    """Run what the command line says; return 1 where a seed failed."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many seeds")
    parser.add_argument("--first", type=int, help="the first of them; drawn where it is not given")
    parser.add_argument("--seed", type=int, help="run this one seed")
    parser.add_argument("--trace", action="store_true", help="tell every call of the one seed")
    given = parser.parse_args()
    if given.seed is not None:
        return _one(given.seed, whole=given.trace)
    first = SystemRandom().randrange(1 << 40) if given.first is None else given.first
    return _many(range(first, first + given.seeds))


def told(seed: int, *, whole: bool = False) -> tuple[str, bool]:
    """Return a seed's simulation in words, shrunk if it fails, and whether it fails."""
    with quiet():
        plan = draw(seed)
        steps: list[Step] = []
        result = simulate(plan, steps.append)
        lines = plan_in_words(plan)
        if result.violation is not None and not whole:
            small = shrink(plan, result.violation)
            steps.clear()
            result = simulate(small, steps.append)
            lines += ["what it needs to fail:", *plan_in_words(small), "its last steps:"]
    if not whole:
        steps = [step for step in steps if tells(step)][-_LAST_STEPS:] if result.violation else []
    lines += [in_words(step) for step in steps]
    lines.append(f"{result.calls} calls, {result.faults} faults, {result.commits} commits")
    if result.violation:
        lines.append(f"FAILED: {result.violation}")
    return "\n".join(lines), result.violation is not None


def _one(seed: int, *, whole: bool) -> int:
    text, failed = told(seed, whole=whole)
    print(text)  # noqa: T201  a command
    return int(failed)


def _many(seeds: range) -> int:
    print(f"seeds {seeds.start} to {seeds.stop - 1}", flush=True)  # noqa: T201
    since = time.monotonic()
    totals: Counter[str] = Counter()
    failed: list[int] = []
    for seed, result, seconds in _results(seeds):
        totals.update(calls=result.calls, counts=result.counts, runs=1)
        totals["microseconds"] += int(seconds * 1e6)
        if result.violation is not None:
            failed.append(seed)
            totals["failed"] += 1
            print(f"seed {seed} FAILED: {result.violation}", flush=True)  # noqa: T201
        if totals["runs"] % _TOLD_EVERY == 0:
            print(_totals(totals, time.monotonic() - since), flush=True)  # noqa: T201
    print(_totals(totals, time.monotonic() - since))  # noqa: T201
    if failed:
        print(told(failed[0])[0])  # noqa: T201
    return int(bool(failed))


def _totals(totals: Counter[str], elapsed: float) -> str:
    core = totals["microseconds"] / 1e6
    return (
        f"{totals['runs']} schedules in {elapsed:.0f} s, {totals['counts']} of them count; "
        f"{totals['runs'] / core * 3600:.0f} an hour and core, "
        f"{totals['calls'] / core:.0f} calls of ports a second and core; {totals['failed']} failed"
    )


def _results(seeds: range) -> Iterator[tuple[int, Result, float]]:
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for results in pool.map(_chunk, chunks):
            yield from results


def _chunk(seeds: range) -> list[tuple[int, Result, float]]:
    found = []
    with quiet():
        for seed in seeds:
            since = time.process_time()
            found.append((seed, simulate(draw(seed)), time.process_time() - since))
    return found


if __name__ == "__main__":
    sys.exit(main())
