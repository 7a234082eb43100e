"""A source of lines that is read twice: once to check it all, once to send it."""

import shutil
import sys
from collections.abc import Container, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final, NamedTuple
from uuid import uuid4

from processor.cli.produce.parsing import parse_update
from processor.cli.produce.shape import require_lines
from processor.core.update import SessionUpdate
from processor.errors import NotFound

STANDARD_INPUT: Final = "-"
LONGEST: Final = 16 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_DIGEST: Final = 12


class Line(NamedTuple):
    """One line that is not blank: its number, the bytes up to its end, and what it says.

    `update` is the update, or what is wrong with the line.
    """

    number: int
    end: int
    update: SessionUpdate | str


class Source:
    """What was given: its `size` in bytes and, once `lines` ended, its last line and its name.

    A file is known again by its content; the same content piped twice is not the same source. The
    event ids that are made for a file's lines are the same each time, unless it is sent `again`.
    """

    def __init__(self, file: BinaryIO, *, pipe: bool, again: bool = False) -> None:
        self._file = file
        self._pipe = f"pipe-{uuid4().hex}" if pipe else ""
        self._makes_ids = not pipe and not again
        self.size = file.seek(0, 2)
        self.content = ""
        self.last = 0

    @property
    def name(self) -> str:
        """What the brokers keep the position under."""
        return self._pipe or self.content

    def lines(self) -> Iterator[Line]:
        """Yield the lines from the first on; each call begins anew."""
        number = 0
        content = blake2b(digest_size=_DIGEST).hexdigest()
        for number, raw, open_end, whole in self._raw():
            content = whole
            text = raw.removeprefix(_BOM) if number == 1 else raw
            if len(raw) > LONGEST:
                yield Line(number, self._file.tell(), f"it is longer than {LONGEST} bytes")
            elif text.strip():
                # Without the line's end: a last line may get one when others are appended.
                made = open_end if self._makes_ids else None
                yield Line(number, self._file.tell(), _parsed(text, made))
        self.content, self.last = content, number

    def beginnings(self, names: Container[str]) -> list[str]:
        """Return those of the names that are of a file which this one continues, longest first.

        The last line of such a file need not have had an end.
        """
        if self._pipe:
            return []
        found = []
        for _, _, *contents in self._raw():
            found += [content for content in contents if content in names]
        return found[::-1]

    def require_lines(self) -> None:
        """Refuse what is not JSON lines as a whole. Raises InputError."""
        require_lines(self._file)

    def _raw(self) -> Iterator[tuple[int, bytes, str, str]]:
        """Yield each line's number, its bytes (of a long one the first), and two digests.

        Both are of all up to the line's end, the first without what ends the line.
        """
        self._file.seek(0)
        content = blake2b(digest_size=_DIGEST)
        number = 0
        while raw := self._file.readline(LONGEST + 1):
            number += 1
            part = raw
            while len(part) > LONGEST and not part.endswith(b"\n"):
                content.update(part)
                part = self._file.readline(LONGEST + 1)
            text = part.rstrip(b"\r\n")
            content.update(text)
            open_end = content.hexdigest()
            content.update(part[len(text) :])
            yield number, raw, open_end, content.hexdigest()


@contextmanager
def opened(file: str, *, again: bool = False) -> Iterator[Source]:
    """Open what was named on the command line; standard input is first read to its end.

    Raises NotFound.
    """
    if file != STANDARD_INPUT and Path(file).is_file():
        with Path(file).open("rb") as content:
            yield Source(content, pipe=False, again=again)
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


def _parsed(raw: bytes, made_id: str | None) -> SessionUpdate | str:
    try:
        return parse_update(raw.decode(), made_id)
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 (byte {error.start + 1})"
    except ValueError as error:
        return str(error)
