"""One peer as a process, and what it costs, seen from outside."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]  # it ships no types

_TAIL = 15


class Program:
    """A process; as a context, it has ended when the context does. Its log is one file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
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
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
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
            every = [self._seen, *self._seen.children(recursive=True)]
            times = [each.cpu_times() for each in every]
            memory = sum(each.memory_info().rss for each in every)
        except psutil.Error:
            self.check()
            raise
        self.peak_rss = max(self.peak_rss, memory)
        return float(sum(each.user + each.system for each in times))

    def check(self) -> None:
        """Raise, with the end of the log, where it ended by itself."""
        code = self._process.poll()
        if code is not None:
            lines = self._log.read_text(errors="replace").splitlines()[-_TAIL:]
            raise RuntimeError("\n".join([f"a peer ended with {code}; its log ends:", *lines]))
