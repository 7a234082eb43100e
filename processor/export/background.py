"""Work in the background: what is full is pressed and written while the next of it fills."""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, ParamSpec

P = ParamSpec("P")


class Background:
    """Has one call at a time made on a thread of its own. What it raises the next step raises.

    For standard output the caller's thread makes it: a reader that stalls would hold the other
    one in a write, and Python waits for that at its end, so Ctrl-C would do nothing.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Take what is written to."""
        self._thread = None if file is sys.stdout.buffer else ThreadPoolExecutor(1)
        self._call: Future[object] | None = None

    def run(self, call: Callable[P, object], *args: P.args, **named: P.kwargs) -> None:
        """Begin a call, once the one before it is done."""
        if self._thread is None:
            call(*args, **named)
            return
        self._await()
        self._call = self._thread.submit(call, *args, **named)

    def close(self) -> None:
        """Return once all is done."""
        self._await()
        if self._thread is not None:
            self._thread.shutdown()

    def _await(self) -> None:
        if self._call is not None:
            self._call.result()
