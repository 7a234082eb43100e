"""Runs `session-processor` as a version of before commands: it writes and reads `format` 1 alone.

Arguments: the command line. It still decodes commands, and must never come to it.
"""

import sys

from processor.cli.main import main
from processor.state import checkpoint

if __name__ == "__main__":
    checkpoint.FORMAT = 1  # type: ignore[misc]
    sys.exit(main(sys.argv[1:]))
