"""Executors that need no thread."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class LateExecutor(Executor):
    """Does what it was given when somebody asks for the result: as late as it may be done."""

    def __init__(self, late: Callable[[], bool] = lambda: True) -> None:
        """Take what says of each whether it is done so, or else at once."""
        self._late = late

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        future = _Late(lambda: fn(*args, **named))
        if not self._late():
            try:
                future.set_result(future.result())
            except Exception as error:  # noqa: BLE001  raised to whoever awaits it
                future.set_exception(error)
        return future


class _Late(Future[Any]):
    def __init__(self, do: Callable[[], Any]) -> None:
        super().__init__()
        self._do = do

    def result(self, timeout: float | None = None) -> Any:
        return super().result(timeout) if self.done() else self._do()
