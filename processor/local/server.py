"""What a local server is, whichever it is: started, found again, taken away, brought back."""

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from processor.errors import LocalStackError
from processor.local.ports import free_port, is_free
from processor.local.process import DetachedProcess

Progress = Callable[[str], None]

_TAIL_LINES = 25


def silent(_message: str) -> None:
    """Report nothing: the progress of a caller who does not want any."""


class LocalServer(ABC):
    """A server with its data, its log and the record of its process in one directory.

    A server outlives the program that started it. All methods act on the process that the
    directory's record names, so that any program may stop what another one started. Not safe for
    two programs at once; the stack takes a lock for that.
    """

    name: str
    start_timeout: ClassVar[float] = 90
    stop_timeout: ClassVar[float] = 30

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.log = self.data_dir / f"{self.name.lower()}.log"
        self._record = self.data_dir / "process.json"

    @classmethod
    def start(cls, data_dir: Path, port: int = 0, **options: Any) -> Self:
        """Start a server (port 0: any free one) and return when it answers; keeps earlier data.

        `options` are what the class takes besides.
        """
        server = cls(data_dir, port or free_port(), **options)
        server.launch()
        return server

    @property
    def pid(self) -> int | None:
        """The process id while the server runs, else none."""
        process = self._process()
        return process.pid if process else None

    def running(self) -> bool:
        """Whether its process lives; it may be paused, starting or deaf all the same."""
        return self._process() is not None

    @abstractmethod
    def answers(self, timeout: float) -> bool:
        """Whether this very server, and no other on its port, answers within `timeout` seconds."""

    @abstractmethod
    def _prepare(self) -> None:
        """Write the configuration, and make an empty data directory usable."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Return the command line; called after `_prepare`."""

    def launch(self, progress: Progress = silent) -> None:
        """Start the server on its port, with its data, and return when it answers.

        One that runs already is only waited for. Raises LocalStackError, with the end of its log,
        if it ends or does not answer in time; it is not left behind then.
        """
        launch_all([self], progress)

    def begin(self, progress: Progress = silent) -> None:
        """Start the process, unless it runs, and do not wait for its answer."""
        if not self.running():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._prepare()
            progress(f"starting {self.name}")
            DetachedProcess.start(self._command(), log=self.log, record=self._record)

    def stop(self) -> None:
        """End the server in an orderly way, by force if that takes too long; keeps its data."""
        stop_all([self])

    def ask_to_end(self) -> None:
        """Have the server end in an orderly way, and do not wait for it."""
        if process := self._process():
            process.signal(signal.SIGTERM)
            process.signal(signal.SIGCONT)

    def await_end(self) -> None:
        """Return when the server is gone, by force if it takes longer than `stop_timeout`."""
        process = self._process()
        if process is not None and not process.wait(self.stop_timeout):
            self.kill()
        self._record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the server as a crash would, and return when it is gone."""
        process = self._process()
        if process is not None:
            process.signal(signal.SIGKILL)
            if not process.wait(self.stop_timeout):
                raise LocalStackError(f"{self.name} (pid {process.pid}) does not end by SIGKILL")
        self._record.unlink(missing_ok=True)

    def restart(self) -> None:
        """Bring the server back on the same port with the same data; stops it first if it runs."""
        self.stop()
        self.launch()

    def pause(self) -> None:
        """Freeze the server: it keeps its connections and answers nothing."""
        if process := self._process():
            process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        if process := self._process():
            process.signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """Return the last lines that the server logged."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "(no log was written)"
        return "\n".join(lines[-_TAIL_LINES:])

    def _process(self) -> DetachedProcess | None:
        return DetachedProcess.recorded(self._record)

    def await_answer(self) -> None:
        """Return when the server answers.

        Raises LocalStackError, with the end of its log, if it ends or does not answer in time.
        """
        deadline = time.monotonic() + self.start_timeout
        while (process := self._process()) is not None:
            if self.answers(1.0):
                return
            if time.monotonic() >= deadline:
                late = f"{self.name} did not answer on port {self.port} in {self.start_timeout:.0f}"
                raise LocalStackError(f"{late} s; its log ends:\n{self.log_tail()}")
            process.wait(0.05)
        raise LocalStackError(
            f"{self.name} ended while starting; its log {self.log} ends:\n{self.log_tail()}"
        )


def launch_all(servers: Sequence[LocalServer], progress: Progress = silent) -> None:
    """Start servers side by side and return when all answer.

    Raises LocalStackError where one does not. Those that answered before it stay up; it and those
    behind it do not.
    """
    waiting = list(servers)
    try:
        for server in servers:
            server.begin(progress)
        while waiting:
            waiting[0].await_answer()
            waiting.pop(0)
    except BaseException:
        for server in waiting:
            server.kill()
        raise


def stop_all(servers: Sequence[LocalServer]) -> None:
    """End servers side by side, as `LocalServer.stop` ends one."""
    for server in servers:
        server.ask_to_end()
    for server in servers:
        server.await_end()


def choose_port(server: LocalServer, wanted: int, progress: Progress = silent) -> None:
    """Give a server that does not run a port that is free: its own, else `wanted`, else any."""
    preferred = server.port or wanted
    if preferred and is_free(preferred):
        server.port = preferred
        return
    server.port = free_port()
    if preferred:
        progress(f"port {preferred} is taken; {server.name} listens on {server.port}")
