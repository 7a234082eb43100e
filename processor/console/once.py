"""Answers that are kept for a moment, so that ten open pages ask once."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Final, TypeVar

from processor.ports.clock import Clock

_KEPT: Final = 32
T = TypeVar("T")


class Once:
    """Keeps answers for some seconds each; while one is fetched, others wait for it."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, tuple[Lock, list[tuple[float, Any]]]] = OrderedDict()

    def get(self, question: Hashable, ask: Callable[[], T]) -> T:
        """Return the answer; an error is kept for nobody: each that waits asks for itself."""
        with self._lock:
            lock, kept = self._answers.setdefault(question, (Lock(), []))
            self._answers.move_to_end(question)
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        with lock:
            if not kept or self._clock.monotonic() >= kept[0][0]:
                kept[:] = [(self._clock.monotonic() + self._seconds, ask())]
            answer: T = kept[0][1]
            return answer
