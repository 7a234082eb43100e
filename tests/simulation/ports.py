"""The ports as a simulated process calls them: with points around each call, and faults in it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, NoReturn

from processor.ports.latest import Latest
from processor.ports.log import BatchAborted, LogUnavailable, ProducerLost
from processor.ports.sessions import CacheUnavailable
from simulation.scheduler import Scheduler, Task

Side = Literal["before", "after"]

UNANSWERED: dict[str, type[Exception]] = {
    "subscription.take": LogUnavailable,
    "publication.begin": ProducerLost,
    "publication.send": ProducerLost,
    "publication.flush": ProducerLost,
    "publication.commit": ProducerLost,
    "publication.abort": ProducerLost,
    "publication.replace": LogUnavailable,
    "coordination.committed": LogUnavailable,
    "coordination.fence": LogUnavailable,
    "coordination.extent": LogUnavailable,
    "coordination.partitions": LogUnavailable,
    "coordination.topic_ids": LogUnavailable,
    "directory.describe": CacheUnavailable,
    **{
        f"cache.{each}": CacheUnavailable
        for each in ("read", "load", "write", "check", "begin", "fill", "flip")
    },
    **{
        f"claims.{each}": CacheUnavailable
        for each in (
            *("holders", "take", "give_up", "finish_removals"),
            *("is_current", "begin", "fill", "finish", "stream"),
        )
    },
}
"""What a call raises that got no answer, whether or not it was done."""
REFUSED = {"publication.send": BatchAborted, "publication.flush": BatchAborted} | {
    "publication.commit": BatchAborted
}
"""What a call raises that was answered, and not done."""
DEFERRABLE = frozenset(
    f"{port}.{method}"
    for port, methods in {
        "cache": ("write", "begin", "fill", "flip"),
        "claims": ("take", "give_up", "finish_removals", "begin", "fill", "finish"),
    }.items()
    for method in methods
)
"""Calls that a stalled server may carry out after their caller gave up."""


class Happening(NamedTuple):
    """What is to happen at a process's next call of a method."""

    method: str
    side: Side
    action: Callable[["SimulatedTask", "Call"], Any]


class Answered(Exception):  # noqa: N818  not an error
    """The call has this answer, and was not done."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


class Call(NamedTuple):
    """A call under way: what to do for it to be done."""

    method: str
    args: Sequence[Any]
    do: Callable[[], Any]

    def answer(self, result: Any) -> NoReturn:
        """Have the call return this without being done."""
        raise Answered(result)


class SimulatedTask(Task):
    """A process with what is to happen at its calls."""

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        super().__init__(name, body)
        self.armed: list[Happening] = []


Trace = Callable[[SimulatedTask, str, Sequence[Any], Any], None]


class Around:
    """Wraps the ports of one process."""

    def __init__(
        self, scheduler: Scheduler, task: SimulatedTask, away: dict[str, float], trace: Trace | None
    ) -> None:
        """Take until when each method's server is away, and who is told of each call."""
        self._scheduler = scheduler
        self._task = task
        self._away = away
        self._trace = trace

    def port(self, name: str, target: Any) -> Any:
        return _Port(self, name, target)

    def wrap(self, method: str, target: Callable[..., Any]) -> Callable[..., Any]:
        scheduler, point = self._scheduler, self._scheduler.point
        task, away, trace = self._task, self._away, self._trace

        def call(*args: Any, **options: Any) -> Any:
            point(task)
            scheduler.step += 1
            scheduler.now += scheduler.latency
            try:
                if away and method in away:
                    self._meet_away(method)
                if task.armed:
                    self._happen("before", Call(method, args, lambda: target(*args, **options)))
                result = target(*args, **options)
                if task.armed:
                    self._happen("after", Call(method, args, lambda: None))
            except Answered as answered:
                result = answered.result
            except Exception as error:
                if trace is not None:
                    trace(task, method, args, error)
                point(task)
                raise
            if trace is not None:
                trace(task, method, args, result)
            point(task)
            return result

        return call

    def scan(
        self, target: Callable[..., Iterator[Any]], nothing: object
    ) -> Callable[..., Iterator[Any]]:
        """Wrap a reader: each time that it is asked for more is a call.

        It yields `nothing` where a fault has that nothing was read.
        """

        def read(*place: Any) -> Iterator[Any]:
            records = target(*place)
            step = self.wrap("scan.read", lambda *_place: next(records, None))
            while (found := step(*place)) is not None:
                yield found or nothing

        return read

    def _meet_away(self, method: str) -> None:
        if self._away[method] <= self._scheduler.now:
            del self._away[method]
            return
        # The client waits before it gives up.
        self._scheduler.sleep(self._task, 2.0)
        raise UNANSWERED[method](f"{method}: no answer (simulated)")

    def _happen(self, side: Side, call: Call) -> None:
        for each in self._task.armed:
            if each.side == side and each.method == call.method:
                self._task.armed.remove(each)
                each.action(self._task, call)
                self._scheduler.point(self._task)
                return


class _Port:
    def __init__(self, around: Around, name: str, target: Any) -> None:
        self._around = around
        self._name = name
        self._target = target

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._target, method)
        if not callable(found):
            return found
        if self._name == "scan":
            wrapped = self._around.scan(found, Latest(None, {}) if method == "latest" else ())
        else:
            wrapped = self._around.wrap(f"{self._name}.{method}", found)
        self.__dict__[method] = wrapped
        return wrapped
