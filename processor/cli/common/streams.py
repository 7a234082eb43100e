"""The standard streams: of any encoding, full, closed, or with a reader that went away."""

import codecs
import errno
import os
import select
import sys
from contextlib import suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Final, TextIO

from typing_extensions import Buffer

from processor.core.shown import escaped
from processor.errors import OutputError

ESCAPED: Final = "session-processor.escaped"
"""How a character is written that the encoding does not have, or that is half of one: as in JSON,
of whose texts the result is a text with the same value."""


class ReaderGone(Exception):  # noqa: N818  it is what happened
    """Nobody reads standard output any more, as behind `| head`: the command ends."""


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escaped(error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPED, _escape)


def prepare() -> None:
    """Have standard output raise OutputError and ReaderGone, and standard error no error at all.

    What is closed is opened on nothing, so that no file or connection takes its number. For the
    start of a process.
    """
    if sys.stdin is None:
        sys.stdin = TextIOWrapper(_opened(0, os.O_RDONLY), "utf-8")
    for descriptor, name, kind, otherwise in (
        (1, "stdout", StandardOutput, os.O_RDONLY),  # writing there fails
        (2, "stderr", _StandardError, os.O_WRONLY),
    ):
        former: TextIO | None = getattr(sys, name)
        if former is None:
            _reopen(descriptor, otherwise)
        else:
            former.flush()
        setattr(sys, name, text_on(kind(descriptor, "wb", closefd=False), former))


def text_on(raw: FileIO, like: TextIO | None = None) -> TextIOWrapper:
    """Return a stream of texts, of the encoding and the buffering of another one."""
    encoding = "utf-8" if like is None else like.encoding
    lines = like is None or bool(like.line_buffering)
    return TextIOWrapper(BufferedWriter(raw), encoding, ESCAPED, line_buffering=lines)


class _Waiting(FileIO):
    def write(self, data: Buffer, /) -> int:
        """Write, and wait where a pipe that does not block is full."""
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


class StandardOutput(_Waiting):
    """Raises ReaderGone or OutputError at the first write that fails; drops what comes after."""

    _ended = False

    def write(self, data: Buffer, /) -> int:
        """Write, or take what a buffer still holds after a write that failed."""
        if self._ended:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._ended = True
            raise ReaderGone from None
        except OSError as error:
            self._ended = True
            why = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise OutputError(
                f"standard output cannot be written: {why}",
                hint="what the command did until then stays done; write to a place with room",
            ) from None


class _StandardError(_Waiting):
    def write(self, data: Buffer, /) -> int:
        """Write, or drop it: what is said beside an answer fails nothing."""
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


def _reopen(descriptor: int, flags: int) -> None:
    opened = os.open(os.devnull, flags)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)


def _opened(descriptor: int, flags: int) -> FileIO:
    _reopen(descriptor, flags)
    return FileIO(descriptor, "rb", closefd=False)
