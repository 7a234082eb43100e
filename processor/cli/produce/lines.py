"""A source of lines that is read twice: once to check it all, once to send it."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final, NamedTuple
from uuid import uuid4

from processor.cli.produce.parsing import parse_update
from processor.core.update import SessionUpdate
from processor.errors import NotFound

STANDARD_INPUT: Final = "-"
LONGEST: Final = 16 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line that is not blank: its number, the bytes up to its end, and what it says.

    `update` is the update, or what is wrong with the line.
    """

    number: int
    end: int
    update: SessionUpdate | str


class Source:
    """What was given: its `size` in bytes and, once `lines` ended, its last line and its name.

    A file is known again by its content; the same content piped twice is not the same source.
    """

    def __init__(self, file: BinaryIO, *, pipe: bool) -> None:
        self._file = file
        self._pipe = f"pipe-{uuid4().hex}" if pipe else ""
        self.size = file.seek(0, 2)
        self.content = ""
        self.last = 0

    @property
    def name(self) -> str:
        """What the brokers keep the position under."""
        return self._pipe or self.content

    def lines(self) -> Iterator[Line]:
        """Yield the lines from the first on; each call begins anew."""
        self._file.seek(0)
        content = blake2b(digest_size=12)
        number = 0
        while raw := self._file.readline(LONGEST + 1):
            number += 1
            content.update(raw)
            if len(raw) > LONGEST:
                yield Line(number, self._file.tell(), f"it is longer than {LONGEST} bytes")
                while raw and not raw.endswith(b"\n"):
                    raw = self._file.readline(LONGEST)
                    content.update(raw)
                continue
            text = raw.removeprefix(_BOM) if number == 1 else raw
            if text.strip():
                yield Line(number, self._file.tell(), _parsed(text))
        self.content, self.last = content.hexdigest(), number


@contextmanager
def opened(file: str) -> Iterator[Source]:
    """Open what was named on the command line; standard input is first read to its end.

    Raises NotFound.
    """
    if file != STANDARD_INPUT and Path(file).is_file():
        with Path(file).open("rb") as content:
            yield Source(content, pipe=False)
        return
    with TemporaryFile() as content:
        try:
            if file == STANDARD_INPUT:
                shutil.copyfileobj(sys.stdin.buffer, content)
            else:
                with Path(file).open("rb") as pipe:
                    shutil.copyfileobj(pipe, content)
        except OSError as error:
            raise NotFound(
                f"{file} cannot be read: {error.strerror}", hint="name a file, or - for a pipe"
            ) from None
        yield Source(content, pipe=True)


def _parsed(raw: bytes) -> SessionUpdate | str:
    try:
        return parse_update(raw.decode())
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 (byte {error.start + 1})"
    except ValueError as error:
        return str(error)
