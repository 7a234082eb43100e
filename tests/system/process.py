"""One process of the service in a test, and how a test waits for what it is to do."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]


def eventually(what: str, holds: Callable[[], bool], timeout: float = 120.0) -> None:
    """Return once the condition holds; asks the servers again and again, so it needs no signal."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.05)


class Process:
    """One `session-processor` process; its log is in a file."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                command, env=dict(environment), stdout=sink, stderr=sink, stdin=subprocess.DEVNULL
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self, timeout: float = 120.0) -> int:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.log[-3000:]}") from None

    def await_log(self, text: str, times: int = 1, timeout: float = 120.0) -> None:
        eventually(
            f"{text!r} in the log:\n{self.log[-2000:]}",
            lambda: self.log.count(text) >= times or self.ended(),
            timeout,
        )
        assert self.log.count(text) >= times, self.log[-3000:]

    def terminate(self) -> None:
        """Ask it to end as an orchestrator does, and see it end well."""
        self.signal(signal.SIGTERM)
        assert self.wait(10.0) == 0, self.log[-3000:]

    def kill(self) -> None:
        if not self.ended():
            self._process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        """Return what it has used so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def usage(self) -> tuple[int, int, int]:
        """Return the resident bytes, the open file descriptors and the threads."""
        process = psutil.Process(self._process.pid)
        return process.memory_info().rss, process.num_fds(), process.num_threads()

    def get(self, path: str) -> tuple[int, str]:
        """Ask its endpoint; return the status and the body."""
        self.await_log("http=http://")
        found = re.search(r"http=http://([\d.]+):(\d+)", self.log)
        assert found, self.log
        assert found[1] == "127.0.0.1", "nobody said that others may reach it"
        connection = HTTPConnection(found[1], int(found[2]), timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def probe(self, path: str) -> tuple[bool, dict[str, Any]]:
        """Return whether `/livez` or `/readyz` says yes, and the body that says why."""
        status, body = self.get(path)
        assert status in {200, 503}, body
        return status == 200, json.loads(body)

    def ready(self) -> bool:
        return self.probe("/readyz")[0]
