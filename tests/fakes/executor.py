"""Executors that need no thread."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class LateExecutor(Executor):
    """Does what it was given when somebody asks for the result: as late as it may be done."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        return _Late(lambda: fn(*args, **named))


class _Late(Future[Any]):
    def __init__(self, do: Callable[[], Any]) -> None:
        super().__init__()
        self._do = do

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002  a Future has it
        return self._do()
