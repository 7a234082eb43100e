"""Offsets of partitions on the command line, `P:O,…`."""

import re
from typing import Final

from processor.errors import InputError

PLACE: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
_PLACES: Final = re.compile(r"\s*[0-9]+:")


def is_places(text: str) -> bool:
    """Whether a text is meant as offsets, and not as a time."""
    return _PLACES.match(text) is not None


def places_of(option: str, text: str) -> dict[int, int]:
    """Return the offset that an option gives to each partition. Raises InputError."""
    places: dict[int, int] = {}
    for part in text.split(","):
        match = PLACE.fullmatch(part.strip())
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
