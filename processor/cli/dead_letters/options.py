"""The options that choose dead letters, the same for every command that takes them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from processor.cli.common.times import FORMS, time_of
from processor.config.durations import is_duration
from processor.core.outcome import Reason
from processor.dead_letters.selection import Ranges, Selection, merged
from processor.errors import InputError, NotFound

Reasons = Annotated[list[Reason] | None, typer.Option(help="Only this reason; repeatable.")]
Partitions = Annotated[
    list[int] | None, typer.Option(min=0, metavar="N", help="Only this partition; repeatable.")
]
Keys = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY", help="Only this key, as `list` shows it; repeatable."),
]
_RANGE: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})(?:-([0-9]{1,18}))?")
_ONE: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
_TOLD: Final = 10
_LONGEST_LINE: Final = 200


class Chosen(NamedTuple):
    """What was asked for. The times as texts are the same for the same options at any time."""

    selection: Selection
    since: str | None
    until: str | None


@dataclass(frozen=True, slots=True)
class LetterOptions:
    """The options that choose letters; they stand in this order in a command's help."""

    reason: Reasons = None
    partition: Partitions = None
    from_time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"Only letters with this time or a later one; {FORMS}."),
    ] = None
    until_time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only letters with an earlier time than this."),
    ] = None
    offsets: Annotated[
        list[str] | None,
        typer.Option(
            metavar="P:FROM-TO",
            help="Only these offsets of a partition, both ends included; P:O for one; repeatable.",
        ),
    ] = None
    offsets_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Only the letters of this file, a line P:O for each."),
    ] = None
    key: Keys = None

    def chosen(self) -> Chosen:
        """Return the selection that the options mean. Raises InputError and NotFound."""
        since = time_of("--from-time", self.from_time)
        until = time_of("--until-time", self.until_time)
        if since is not None and until is not None and since >= until:
            raise InputError(
                "--from-time is not before --until-time: no letter is meant",
                hint="a letter is meant from the first to before the second",
            )
        selection = Selection(
            frozenset(map(str, self.reason or ())),
            frozenset(self.partition or ()),
            since,
            until,
            frozenset(self.key or ()),
            _places(self.offsets, self.offsets_file),
        )
        return Chosen(
            selection, _as_asked(self.from_time, since), _as_asked(self.until_time, until)
        )


def _as_asked(text: str | None, moment: int | None) -> str | None:
    return text if text is None or is_duration(text) else str(moment)


def _places(given: list[str] | None, file: Path | None) -> dict[int, Ranges] | None:
    if given is None and file is None:
        return None
    found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for text in given or ():
        partition, first, last = _range(text)
        found[partition].append((first, last))
    if file is not None:
        for partition, offset in _lines(file):
            ranges = found[partition]
            if ranges and ranges[-1][1] + 1 == offset:  # a list in order takes no room
                ranges[-1] = ranges[-1][0], offset
            else:
                ranges.append((offset, offset))
    return {partition: merged(ranges) for partition, ranges in found.items()}


def _range(text: str) -> tuple[int, int, int]:
    parts = _RANGE.fullmatch(text)
    if parts is None:
        raise InputError(
            f"--offsets: {text!r} is no range of offsets", hint="it has the form 3:17-40, or 3:17"
        )
    partition, first, last = int(parts[1]), int(parts[2]), int(parts[3] or parts[2])
    if first > last:
        raise InputError(f"--offsets: {text} ends before it begins", hint="it has the form 3:17-40")
    return partition, first, last


def _lines(file: Path) -> Iterator[tuple[int, int]]:
    bad: list[str] = []
    try:
        with file.open(encoding="utf-8-sig", errors="backslashreplace") as lines:
            for number, line in enumerate(lines, 1):
                text = line.strip()
                place = _ONE.fullmatch(text)
                if place is not None:
                    yield int(place[1]), int(place[2])
                elif text and len(bad) < _TOLD:
                    bad.append(f"line {number}: {text[:_LONGEST_LINE]!r}")
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}", hint="name a file") from None
    if bad:
        raise InputError(
            f"{file} has lines that are no places: " + "; ".join(bad),
            hint="a line is PARTITION:OFFSET, as in 3:17, the `letter` of `dead-letters list`",
        )
