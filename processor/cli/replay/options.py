"""The options that say from where to where a replay goes, the same for `plan` and `run`."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from processor.cli.common.places import PLACE, places_of
from processor.cli.common.times import FORMS, time_of
from processor.errors import InputError, NotFound
from processor.replay.bounds import RequestedBounds

Name = Annotated[str, typer.Argument(metavar="NAME", help="The replay's name, as `list` shows it.")]
MaxRate = Annotated[
    float | None,
    typer.Option(
        min=1, metavar="N", help="Process so many records a second at the most, each process."
    ),
]

_FORM: Final = "a line is TOPIC,PARTITION,OFFSET or GROUP,TOPIC,PARTITION,OFFSET"
_WITHOUT_GROUP: Final = 3
_WITH_GROUP: Final = 4


@dataclass(frozen=True, slots=True)
class BoundOptions:
    """The options that bound a replay; they stand in this order in a command's help."""

    from_offset: Annotated[
        str | None,
        typer.Option(
            metavar="P:O,…", help="Start at these offsets; other partitions are left out."
        ),
    ] = None
    from_time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"Start at the records of this time; {FORMS}."),
    ] = None
    from_earliest: Annotated[
        bool, typer.Option("--from-earliest", help="Start where the input's log begins.")
    ] = False
    from_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Start at the offsets of a CSV of `kafka-consumer-groups --export`.",
        ),
    ] = None
    until_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="End before the first record of this time.")
    ] = None
    until_offset: Annotated[
        str | None, typer.Option(metavar="P:O,…", help="End before these offsets.")
    ] = None

    def asked(self, topic: str, group: str) -> RequestedBounds | None:
        """Return what the options ask for, None where they say nothing. Raises InputError.

        `topic` and `group` say which lines of a file are meant.
        """
        if self.until_time is not None and self.until_offset is not None:
            raise InputError("both --until-time and --until-offset are given", hint="give one")
        start = self._start(topic, group)
        end: int | dict[int, int] | None = time_of("--until-time", self.until_time)
        if self.until_offset is not None:
            end = places_of("--until-offset", self.until_offset)
        if start is not None:
            return RequestedBounds(start, end)
        if end is not None:
            raise InputError("an end is given and no start", hint="give one of the --from options")
        return None

    def _start(self, topic: str, group: str) -> Literal["earliest"] | int | dict[int, int] | None:
        given = (self.from_offset, self.from_time, self.from_earliest or None, self.from_file)
        if sum(each is not None for each in given) > 1:
            raise InputError("more than one start is given", hint="give one of the --from options")
        if self.from_offset is not None:
            return places_of("--from-offset", self.from_offset)
        if self.from_file is not None:
            return _file(self.from_file, topic, group)
        return "earliest" if self.from_earliest else time_of("--from-time", self.from_time)


def _file(path: Path, topic: str, group: str) -> dict[int, int]:
    """Return the offsets of the topic that lines have of this group, or of no group."""
    places: dict[int, int] = {}
    groups: set[str] = set()
    for number, (of, partition, offset) in _rows(path, topic):
        if of not in {None, group}:
            groups.add(str(of))
        elif partition in places:
            raise InputError(
                f"{path}, line {number}: partition {partition} of {topic} is given twice",
                hint="leave one of the lines out",
            )
        else:
            places[partition] = offset
    if not places:
        raise InputError(
            f"{path} has no line of the topic {topic}"
            + (f" and the group {group}, but of {', '.join(sorted(groups))}" if groups else ""),
            hint=f"{_FORM}; lines without a group are taken whatever group they were of",
        )
    return places


def _rows(path: Path, topic: str) -> Iterator[tuple[int, tuple[str | None, int, int]]]:
    """Yield, of each line of the topic, its number, its group if it has one, and its place."""
    rows = csv.reader(_text(path).splitlines())
    number = 0
    try:
        for number, row in enumerate(rows, 1):
            cells = [cell.strip() for cell in row]
            of = cells.pop(0) if len(cells) == _WITH_GROUP else None
            place = PLACE.fullmatch(":".join(cells[1:])) if len(cells) == _WITHOUT_GROUP else None
            if row and place is None:
                raise InputError(
                    f"{path}, line {number}: {','.join(row)[:200]!r} is not of the form", hint=_FORM
                )
            if place is not None and cells[0] == topic:
                yield number, (of, int(place[1]), int(place[2]))
    except csv.Error as error:
        raise InputError(f"{path}, line {number + 1}: {error}", hint=_FORM) from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text in UTF-8", hint="save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
