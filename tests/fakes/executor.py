"""Executors that need no thread."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class LateExecutor(Executor):
    """Does what it was given, in turn, when somebody asks for a result: as late as may be."""

    def __init__(self, late: Callable[[], bool] = lambda: True) -> None:
        """Take what says of each whether it is done so, or else at once."""
        self._late = late
        self._given = deque[_Late]()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        future = _Late(lambda: fn(*args, **named), self._given)
        self._given.append(future)
        if not self._late():
            future.do()
        return future


class _Late(Future[Any]):
    def __init__(self, call: Callable[[], Any], given: "deque[_Late]") -> None:
        super().__init__()
        self._call = call
        self._given = given

    def do(self) -> None:
        """Do all that was given before it, then it."""
        while not self.done():
            first = self._given.popleft()
            try:
                first.set_result(first._call())
            except Exception as error:  # noqa: BLE001  raised to whoever awaits it
                first.set_exception(error)

    def result(self, timeout: float | None = None) -> Any:
        self.do()
        return super().result(timeout)
