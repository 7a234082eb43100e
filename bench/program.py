"""One process under measurement, and what it costs, seen from outside."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]  # it ships no types

_STOP_S = 15.0
_TAIL = 15


class Program:
    """A process; as a context, it has ended when the context does. Its log is one file."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        """Start it; `name` is what an error calls it, as "the service"."""
        self._name = name
        self._log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )
        self._seen = psutil.Process(self._process.pid)
        self.peak_rss = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it as an operator would, and by force where that takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL."""
        self._process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        """Return the CPU that it and its children took so far; their memory is noted, too."""
        self.check()
        try:
            cpu, memory = self.now()
        except psutil.Error:
            self.check()
            raise
        self.peak_rss = max(self.peak_rss, memory)
        return cpu

    def now(self) -> tuple[float, int]:
        """Return the CPU seconds and the resident bytes of it and its children.

        Raises psutil.Error once it has ended.
        """
        every = [self._seen, *self._seen.children(recursive=True)]
        times = [each.cpu_times() for each in every]
        memory = sum(each.memory_info().rss for each in every)
        return float(sum(each.user + each.system for each in times)), memory

    def check(self) -> None:
        """Raise, with the end of the log, where it ended by itself."""
        code = self.ended()
        if code is not None:
            raise self.failed(f"ended with {code}")

    def ended(self) -> int | None:
        """Return the code that it ended with, None while it runs."""
        return self._process.poll()

    def failed(self, what: str) -> RuntimeError:
        """Return an error that says what is wrong, with the end of the log."""
        lines = self.log().splitlines()[-_TAIL:]
        return RuntimeError("\n".join([f"{self._name} {what}; its log ends:", *lines]))

    def log(self) -> str:
        """Return all that it said so far."""
        return self._log.read_text(errors="replace")
