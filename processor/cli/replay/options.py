"""The options that say from where to where a replay goes, the same for `plan` and `run`."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from processor.cli.common.times import FORMS, parse_time
from processor.errors import InputError, NotFound
from processor.replay.bounds import RequestedBounds

FromOffset = Annotated[
    str | None,
    typer.Option(metavar="P:O,…", help="Start at these offsets; other partitions are left out."),
]
FromTime = Annotated[
    str | None, typer.Option(metavar="TIME", help=f"Start at the records of this time; {FORMS}.")
]
FromEarliest = Annotated[
    bool, typer.Option("--from-earliest", help="Start where the input's log begins.")
]
FromFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Start at the offsets of a CSV of `kafka-consumer-groups --export`.",
    ),
]
UntilTime = Annotated[
    str | None, typer.Option(metavar="TIME", help="End before the first record of this time.")
]
UntilOffset = Annotated[str | None, typer.Option(metavar="P:O,…", help="End before these offsets.")]

MaxRate = Annotated[
    float | None,
    typer.Option(
        min=1, metavar="N", help="Process so many records a second at the most, each process."
    ),
]

_PLACE: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
_WITHOUT_GROUP: Final = 3
_WITH_GROUP: Final = 4


def asked(
    *,
    topic: str,
    from_offset: str | None,
    from_time: str | None,
    from_earliest: bool,
    from_file: Path | None,
    until_time: str | None,
    until_offset: str | None,
) -> RequestedBounds | None:
    """Return what the options ask for, None where they say nothing. Raises InputError."""
    starts = [from_offset, from_time, from_earliest or None, from_file]
    given = sum(each is not None for each in starts)
    if until_time is not None and until_offset is not None:
        raise InputError("both --until-time and --until-offset are given", hint="give one")
    if given > 1:
        raise InputError("more than one start is given", hint="give one of the --from options")
    if given == 0:
        if until_time is not None or until_offset is not None:
            raise InputError("an end is given and no start", hint="give one of the --from options")
        return None
    start: Literal["earliest"] | int | dict[int, int] = "earliest"
    if from_offset is not None:
        start = _places("--from-offset", from_offset)
    elif from_time is not None:
        start = _time("--from-time", from_time)
    elif from_file is not None:
        start = _file(from_file, topic)
    if until_time is not None:
        return RequestedBounds(start, _time("--until-time", until_time))
    return RequestedBounds(
        start, None if until_offset is None else _places("--until-offset", until_offset)
    )


def _time(option: str, text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def _places(option: str, text: str) -> dict[int, int]:
    places: dict[int, int] = {}
    for part in text.split(","):
        match = _PLACE.fullmatch(part.strip())
        if match is None:
            raise InputError(
                f"{option}: {part!r} is no partition with an offset",
                hint=f"for example: {option} 0:1200,1:0",
            )
        partition, offset = int(match[1]), int(match[2])
        if partition in places:
            raise InputError(f"{option}: partition {partition} is given twice")
        places[partition] = offset
    return places


def _file(path: Path, topic: str) -> dict[int, int]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    places = dict(_rows(text, path, topic))
    if not places:
        raise InputError(
            f"{path} has no line of the topic {topic}",
            hint="a line is TOPIC,PARTITION,OFFSET or GROUP,TOPIC,PARTITION,OFFSET",
        )
    return places


def _rows(text: str, path: Path, topic: str) -> Iterator[tuple[int, int]]:
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        if not row:
            continue
        cells = [cell.strip() for cell in row]
        if len(cells) == _WITH_GROUP:
            del cells[0]
        numeric = len(cells) == _WITHOUT_GROUP and cells[1].isdecimal() and cells[2].isdecimal()
        if not numeric:
            raise InputError(
                f"{path}, line {number}: {','.join(row)[:200]!r} is not of the form",
                hint="a line is TOPIC,PARTITION,OFFSET or GROUP,TOPIC,PARTITION,OFFSET",
            )
        if cells[0] == topic:
            yield int(cells[1]), int(cells[2])
