"""What each stage costs: the service in a process of its own, with a clock around each stage.

`python -m bench.stages` is that process: its environment says where to work, as the service's does.
It prints one JSON object.
"""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any

from bench.figures import Advance, Figures, Size
from bench.folding import PATIENCE_S, filled
from bench.service import Place
from processor.bootstrap.service import serve
from processor.config import load

_PUBLICATION = "processor.kafka.publication:KafkaPublication"
CLOCKED: dict[str, tuple[str, ...]] = {
    "consume": ("processor.runtime.runner:consume",),
    "decode": ("processor.stages.decode:Decode.__call__",),
    "load": ("processor.stages.load:Load.__call__",),
    "fold_and_encode": ("processor.stages.fold:Fold.__call__",),
    "publish": ("processor.stages.publish:Publish.__call__", f"{_PUBLICATION}.begin"),
    "commit": (f"{_PUBLICATION}.flush", f"{_PUBLICATION}.commit"),
    "store": ("processor.stages.store:Store.__call__",),
}
"""What each stage is called through: names in modules."""

_CALIBRATION = 100_000


class Clocks:
    """CPU seconds of the calling thread in each stage, without what the clocks themselves take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with a clock around it."""
        seconds, calls, clock = self.seconds, self.calls, time.thread_time

        def clocked(*given: Any, **named: Any) -> Any:
            begun = clock()
            try:
                return call(*given, **named)
            finally:
                seconds[name] += clock() - begun
                calls[name] += 1

        return clocked

    def own_seconds(self) -> float:
        """Return what one clock adds to its stage."""
        idle = self.around("", lambda _: None)
        for _ in range(_CALIBRATION):
            idle(None)
        return self.seconds.pop("") / self.calls.pop("")


def stages(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold a topic that was filled before; CPU in each stage over the number of events."""
    filled(place, size, advance)
    advance("folding", 0, 0)
    environment = {**place.environment, "PROCESSOR_HTTP_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.stages"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the clocked process failed; it said:\n{done.stderr[-2000:]}")
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {f"cpu_us_per_event.{name}": each / size.updates * 1e6 for name, each in seconds.items()}


def clock(clocks: Clocks) -> None:
    """Put a clock around every stage. Raises KeyError where a stage is elsewhere by now."""
    for stage, names in CLOCKED.items():
        for module, name in (each.split(":") for each in names):
            *path, last = name.split(".")
            owner: Any = reduce(getattr, path, import_module(module))
            setattr(owner, last, clocks.around(stage, vars(owner)[last]))


def _main() -> None:
    clocks = Clocks()
    own = clocks.own_seconds()
    clock(clocks)
    begun, begun_here = time.process_time(), time.thread_time()
    serve(load().settings, until_end=True, start="earliest")
    process, here = time.process_time() - begun, time.thread_time() - begun_here
    seconds = {name: max(0.0, clocks.seconds[name] - own * clocks.calls[name]) for name in CLOCKED}
    clocks_took = 2 * own * sum(clocks.calls.values())
    loop = here + seconds["commit"] + seconds["store"]  # these two have a thread of their own
    seconds["rest_of_the_loop"] = max(0.0, loop - sum(seconds.values()) - clocks_took)
    seconds["threads_of_librdkafka"] = process - loop
    print(json.dumps(seconds))


if __name__ == "__main__":
    _main()
