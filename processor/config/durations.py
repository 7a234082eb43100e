"""Durations as people write them: `90m`, `1d12h`."""

import re
from datetime import timedelta
from typing import Final

DURATION: Final = "a duration is numbers with w, d, h, m, s or ms, as 90d or 1d12h"

_UNITS: Final = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART = re.compile(r"([0-9]{1,9})(w|d|h|ms|m|s)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_MILLISECOND: Final = timedelta(milliseconds=1)


def is_duration(text: str) -> bool:
    """Whether the text is a duration."""
    return _DURATION.fullmatch(text) is not None


def duration_ms(text: str) -> int:
    """Return a duration in milliseconds. Raises ValueError, with a message for people."""
    if not is_duration(text):
        raise ValueError(f"{text!r} is no duration: {DURATION}")
    parts = _PART.findall(text)
    return sum(int(count) * (_UNITS[unit] // _MILLISECOND) for count, unit in parts)
