"""`python -m processor` is `session-processor`."""

import signal
import sys

from processor.cli.common.streams import prepare


def main() -> int:
    """Run the command that the arguments name; return its exit code.

    Until `run` listens to signals itself, SIGTERM ends it with 0, too: it has begun nothing.
    """
    if sys.argv[1:2] == ["run"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare()
    from processor.cli.main import main as command  # takes half a second

    return command()


if __name__ == "__main__":
    sys.exit(main())
