"""Ends the local servers of a test run that was itself killed.

Reads directories of servers, a line each, until the writer closes the pipe or dies; then kills
whatever still runs there. After an orderly run nothing does.
"""

import signal
import sys
from pathlib import Path

from processor.local.process import DetachedProcess

if __name__ == "__main__":
    for directory in sys.stdin.read().splitlines():
        left = DetachedProcess.recorded(Path(directory) / "process.json")
        if left is not None:
            left.signal(signal.SIGKILL)
