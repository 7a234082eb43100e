"""A file that a command makes: it has its name only when it is complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from processor.errors import InputError


@contextmanager
def new_file(file: str) -> Iterator[BinaryIO]:
    """Give a file to write; it has its name only if all went well. Raises InputError."""
    target = Path(file)
    _refuse_existing(target)
    unfinished = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        with unfinished.open("xb") as writing:
            yield writing
            writing.flush()
            os.fsync(writing.fileno())
        _refuse_existing(target)
        unfinished.rename(target)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written: {error.strerror}", hint="name a file that can be made"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise InputError(f"{target} exists", hint="name a new file, or remove it first")
