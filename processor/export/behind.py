"""Writing behind: what is full is written while the next of it fills."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec

P = ParamSpec("P")


class Behind:
    """Has one call at a time done on a thread of its own. What it raises the next step raises."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._call: Future[object] | None = None

    def do(self, call: Callable[P, object], *args: P.args, **named: P.kwargs) -> None:
        """Begin a call, once the one before it is done."""
        self._await()
        self._call = self._thread.submit(call, *args, **named)

    def close(self) -> None:
        """Return once all is done."""
        self._await()
        self._thread.shutdown()

    def _await(self) -> None:
        if self._call is not None:
            self._call.result()
