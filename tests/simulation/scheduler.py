"""Processes as greenlets in one thread: which one runs, and what time it is.

Everything random comes from one seeded source. A process runs until a `point`, which stands before
and after every call of a port, or until it sleeps.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from random import Random

from greenlet import getcurrent, greenlet

Action = Callable[[], None]


class Killed(BaseException):
    """The process is no more: nothing that it would do now is done."""


class Violation(AssertionError):  # noqa: N818  what it is
    """Something happened that must not; the text says what."""


class Task:
    """A process as the scheduler sees it."""

    def __init__(self, name: str, body: Action) -> None:
        self.name = name
        self.wake = 0.0
        self.stopped = False
        self.dead = False
        self._body = body
        self.greenlet = greenlet(self._run)

    def _run(self) -> None:
        try:
            self._body()
        except Killed:
            pass
        finally:
            self.dead = True


class Scheduler:
    """`now` in seconds. `step` counts calls of ports."""

    def __init__(self, seed: int, *, switching: float, latency: float) -> None:
        """Take how likely a point gives way to others, and how long a call of a port takes."""
        self.now = 0.0
        self.step = 0
        self.chance = Random(seed)
        self.tasks: list[Task] = []
        self._random = self.chance.random
        self._switching = switching
        self.latency = latency
        """How long a call of a port takes."""
        self._ended = False
        """Whether a process may have ended otherwise than by itself."""
        self._hub = getcurrent()
        self._numbers = count()
        self._timers: list[tuple[float, int, Action]] = []
        self._steps: list[tuple[int, int, Action]] = []

    def spawn(self, task: Task) -> None:
        task.wake = self.now
        self.tasks.append(task)

    def after(self, seconds: float, action: Action) -> None:
        heappush(self._timers, (self.now + seconds, next(self._numbers), action))

    def at_step(self, step: int, action: Action) -> None:
        heappush(self._steps, (step, next(self._numbers), action))

    def point(self, task: Task) -> None:
        """Stand before or after a call: others may run here, and the process may end here."""
        if task.dead:
            raise Killed
        if (
            task.stopped
            or self._random() < self._switching
            or (self._steps and self._steps[0][0] <= self.step)
            or (self._timers and self._timers[0][0] <= self.now)
        ):
            self._hub.switch()
            if task.dead:
                raise Killed

    def sleep(self, task: Task, seconds: float) -> None:
        task.wake = self.now + seconds
        self._hub.switch()
        if task.dead:
            raise Killed

    def end(self, task: Task) -> None:
        """Let a process be no more, where it stands. From the hub or from the process itself."""
        task.dead = self._ended = True

    def run(self, until: Callable[[], bool]) -> None:
        """Run processes in turn. Raises what one of them raises."""
        steps, timers = self._steps, self._timers
        while True:
            due = (steps and steps[0][0] <= self.step) or (timers and timers[0][0] <= self.now)
            if due or self._ended:
                self._due()
            if until():
                return
            now = self.now
            ready = [each for each in self.tasks if each.wake <= now and not each.stopped]
            if not ready:
                self._pass_time()
                continue
            task = ready[int(self._random() * len(ready))] if len(ready) > 1 else ready[0]
            task.greenlet.switch()
            if task.dead:
                if not task.greenlet.dead:
                    task.greenlet.throw(Killed)
                self.tasks.remove(task)

    def close(self) -> None:
        """End every process, so that no frame of one is left behind."""
        for task in self.tasks:
            task.dead = True
            if task.greenlet:
                task.greenlet.throw(Killed)
        self.tasks.clear()

    def _due(self) -> None:
        while self._steps and self._steps[0][0] <= self.step:
            heappop(self._steps)[2]()
        while self._timers and self._timers[0][0] <= self.now:
            heappop(self._timers)[2]()
        if self._ended:
            self._ended = False
            for task in [each for each in self.tasks if each.dead]:
                if task.greenlet:
                    task.greenlet.throw(Killed)
                self.tasks.remove(task)

    def _pass_time(self) -> None:
        """Go to the next moment at which something happens; without one, to the next step's."""
        moments = [each.wake for each in self.tasks if not each.stopped]
        if self._timers:
            moments.append(self._timers[0][0])
        if moments:
            self.now = max(self.now, min(moments))
        elif self._steps:
            self.step = self._steps[0][0]
        else:
            raise Violation("nothing is left that could happen")
