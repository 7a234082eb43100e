"""Runs `session-processor`, whose watch waits for a second or two where it waits for half a minute.

Arguments: the command line.
"""

import sys

from processor.cli.main import main
from processor.runtime import open_transactions, partition_watch, stalls


def hurry() -> None:
    partition_watch.ASK_S = 1.0  # type: ignore[misc]
    open_transactions.HELD_UP_S = 2.0  # type: ignore[misc]
    stalls.STALLED_S = 2.0  # type: ignore[misc]


if __name__ == "__main__":
    hurry()
    sys.exit(main(sys.argv[1:]))
