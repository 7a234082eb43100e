"""One server for all worker processes of a test run.

Whoever needs a server first starts it; the others find its address in a file. Whoever started it
waits at the end for those that still use it. The locks are the operating system's, which lets go of
those of a worker that dies.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


def run_directory(basetemp: Path) -> Path:
    """Return the directory that all workers of a run have in common."""
    return basetemp.parent if "PYTEST_XDIST_WORKER" in os.environ else basetemp


@contextmanager
def shared(directory: Path, name: str, server: AbstractContextManager[str]) -> Iterator[str]:
    """Yield the server's address, which `server` yields where nobody has started it yet."""
    address = directory / f"{name}.address"
    with (
        (directory / f"{name}.change").open("w") as change,
        (directory / f"{name}.use").open("w") as use,
    ):
        fcntl.flock(change, fcntl.LOCK_EX)
        if address.exists():
            fcntl.flock(use, fcntl.LOCK_SH)
            fcntl.flock(change, fcntl.LOCK_UN)
            yield address.read_text()
            return
        with server as started:
            address.write_text(started)
            fcntl.flock(change, fcntl.LOCK_UN)
            yield started
            fcntl.flock(change, fcntl.LOCK_EX)
            fcntl.flock(use, fcntl.LOCK_EX)
            address.unlink()
