"""What `sessions erase` is asked for, and the file of its report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from processor.cli.common.new_file import STANDARD_OUTPUT, new_file
from processor.erasure.ids import Ids, asked_ids
from processor.erasure.report import Report
from processor.errors import InputError, NotFound

_KINDS: Final = ("session", "profile", "identifier")
_LINE: Final = "a line is `session 1:cart-17`, `profile 1:ann` or `identifier X`; `#` begins a note"
_OWNER_ONLY: Final = 0o600


@dataclass(frozen=True, slots=True)
class AskedOptions:
    """The options that say what is to be erased; they stand in this order in the command's help."""

    session: Annotated[
        list[str] | None,
        typer.Option("--session", metavar="A:I", help="A session by its key; repeatable."),
    ] = None
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", metavar="A:P", help="All sessions of a profile, and its claim; repeatable."
        ),
    ] = None
    identifier: Annotated[
        list[str] | None,
        typer.Option(
            "--identifier", metavar="X", help="All sessions with this identifier; repeatable."
        ),
    ] = None
    from_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"The same, a line each: {_LINE}.")
    ] = None

    def ids(self) -> Ids:
        """Return what is asked for. Raises InputError and NotFound."""
        asked = {
            "session": [*(self.session or ())],
            "profile": [*(self.profile or ())],
            "identifier": [*(self.identifier or ())],
        }
        if self.from_file is not None:
            for kind, name in _lines(self.from_file):
                asked[kind].append(name)
        return asked_ids(*asked.values())

    @property
    def given(self) -> bool:
        """Whether any of them was given."""
        return any((self.session, self.profile, self.identifier, self.from_file))


def _lines(path: Path) -> list[tuple[str, str]]:
    """Return the kind and the name in each line; a byte order mark before the first is no part."""
    try:
        text = _read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", hint=f"{_LINE}. Nothing was changed") from None
    found = []
    # Not splitlines: an id may hold what that takes for the end of a line.
    for number, line in enumerate(text.split("\n"), 1):
        kind, _, name = line.removesuffix("\r").partition(" ")
        if not kind.strip() or kind.startswith("#"):
            continue
        if kind not in _KINDS or not name:
            raise InputError(
                f"{path}, line {number} is not of the form", hint=f"{_LINE}. Nothing was changed"
            )
        found.append((kind, name))
    if not found:
        raise InputError(f"{path} names nothing", hint=f"{_LINE}. Nothing was changed")
    return found


def read_report(path: Path) -> Report:
    """Return the report in a file. Raises InputError and NotFound."""
    return Report.decode(_read(path))


def new_report(path: Path, report: Report) -> None:
    """Write the report to a new file, before anything is sent. Raises InputError."""
    if str(path) == STANDARD_OUTPUT:
        raise InputError(
            "the report cannot go to standard output: it is replaced at each step",
            hint="name a file. Nothing was sent",
        )
    try:
        _write(path, report, replace=False)
    except InputError as error:
        raise InputError(error.message, hint=f"{error.hint}. Nothing was sent") from None


def save_report(path: Path, report: Report) -> None:
    """Replace the report, whole or not at all. Raises InputError."""
    _write(path, report, replace=True)


def _write(path: Path, report: Report, *, replace: bool) -> None:
    with new_file(path, mode=_OWNER_ONLY, replace=replace) as file:
        file.write(report.encode())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def told(ids: Ids) -> Sequence[str]:
    """Return ids as the options name them."""
    kinds = zip(_KINDS, ids, strict=True)
    return [f"{kind} {each}" for kind, names in kinds for each in sorted(names)]
