"""A file that a command makes: it has its name only when it is complete."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from processor.errors import InputError

STANDARD_OUTPUT: Final = "-"


@contextmanager
def new_file_or_output(file: str) -> Iterator[BinaryIO]:
    """Give a file to write as `new_file` does, or for `-` standard output. Raises InputError."""
    if file != STANDARD_OUTPUT:
        with new_file(file) as writing:
            yield writing
        return
    if sys.stdout.isatty():
        raise InputError(
            "standard output is a terminal", hint="name a file, or let a program read it"
        )
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


@contextmanager
def new_file(file: str | Path, *, mode: int = 0o666, replace: bool = False) -> Iterator[BinaryIO]:
    """Give a file to write; it has its name only if all went well. Raises InputError.

    `mode` is what the umask leaves something of; with `replace` it may stand for another file.
    """
    target = Path(file)
    if not replace:
        _refuse_existing(target)
    unfinished = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(opened, "wb") as writing:
            yield writing
            writing.flush()
            os.fsync(writing.fileno())
        if not replace:
            _refuse_existing(target)
        unfinished.replace(target)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written: {error.strerror}", hint="name a file that can be made"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise InputError(f"{target} exists", hint="name a new file, or remove it first")
