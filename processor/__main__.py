"""`python -m processor` is `session-processor`."""

import gc
import signal
import sys
from typing import Final

from processor.cli.common.streams import prepare

_ALLOCATIONS: Final = 50_000
"""What is made and not freed before Python looks for cycles. What is imported stays, and a chunk of
records is freed without that: to look among them took a sixth of the start and of reading."""


def main() -> int:
    """Run the command that the arguments name; return its exit code.

    Until `run` listens to signals itself, SIGTERM ends it with 0, too: it has begun nothing.
    """
    if sys.argv[1:2] == ["run"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare()
    gc.disable()
    from processor.cli.main import main as command  # takes half a second

    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    gc.enable()
    return command()


if __name__ == "__main__":
    sys.exit(main())
