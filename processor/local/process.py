"""A detached process that any later program can find again by what was written down about it.

A process id alone may have passed to a stranger in the meantime, so the moment of its birth is
recorded with it, and no signal is sent unless both still agree.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

_PROC = Path("/proc")

# The shell ends at once, so the server is nobody's child: it neither ends with the program that
# started it nor has to be reaped by it. Ctrl-C in a terminal does not reach it (a new session).
_DETACH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'


@dataclass(frozen=True, slots=True)
class DetachedProcess:
    """A process that was started here or by an earlier program; it may have ended since."""

    pid: int
    born: str

    @classmethod
    def start(cls, command: Sequence[str], *, log: Path, record: Path) -> Self:
        """Start `command` in a session of its own and write to `record` what finds it again.

        Its output is appended to `log`, also the reason if it could not be executed.
        """
        shell = ["/bin/sh", "-c", _DETACH, "sh", str(log), *command]
        answer = subprocess.run(shell, stdout=subprocess.PIPE, check=True, start_new_session=True)
        pid = int(answer.stdout)
        process = cls(pid, _birth(pid))
        draft = record.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(process)))
        draft.replace(record)
        return process

    @classmethod
    def recorded(cls, record: Path) -> Self | None:
        """Return the process that `record` names, if it still lives."""
        try:
            process = cls(**json.loads(record.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return process if process.alive() else None

    def alive(self) -> bool:
        """Whether it still runs; also true while it is stopped by SIGSTOP."""
        return bool(self.born) and _birth(self.pid) == self.born

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float) -> bool:
        """Wait for its end; false if it still lives after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)  # not every system and sandbox has something to wait on
        return True


def _birth(pid: int) -> str:
    """Return what tells this process from every other with the same id; empty if it has ended."""
    if (_PROC / "self" / "stat").exists():
        try:
            # The name, in parentheses, may hold anything; state and start time stand behind it.
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"
    asked = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(asked, stdout=subprocess.PIPE, check=False, text=True).stdout.split()
    return "" if not answer or answer[0].startswith("Z") else " ".join(answer[1:])
