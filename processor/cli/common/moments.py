"""Points in time as texts and numbers say them: milliseconds since 1970, or why not, for people."""

import re
from datetime import datetime, timedelta
from typing import Final

from processor.core.moment import LEAP_SECOND, NO_ZONE
from processor.core.validate import MAX_EVENT_TIME
from processor.ports.instants import epoch_ms, iso_time

_SECONDS: Final = range(100_000_000, 100_000_000_000)
"""As seconds, 1973 to 5138; as milliseconds, all before March 1973: nobody means those."""
_MEANT: Final = range(_SECONDS.stop, 10_000_000_000_000)
"""Milliseconds from 1973 to 2286."""

_ISO = re.compile(r"[0-9W-]{7,10}([T ].*)?")
_END_OF_DAY = re.compile(r"(?<=[T ])24(?=:?00(?::?00(?:[.,]0+)?)?(?![0-9:.,]))")
_LEAP_SECOND = re.compile(r"[T ][0-9]{2}:?[0-9]{2}:?60")
_DIGITS = re.compile(r"[0-9]{10,19}")


class NotIso(ValueError):  # noqa: N818  what was found
    """The text has not the form of a time."""

    def __init__(self) -> None:
        super().__init__("is neither ISO 8601 nor milliseconds since 1970")


def iso_ms(text: str) -> int:
    """Return what a time in ISO 8601 with a zone is, also one before 1970, rounded down.

    24:00 is the next day's 00:00, and small letters are as good as capitals (RFC 3339). Raises
    ValueError, NotIso where it has another form; the message follows on the time's name.
    """
    upper = text.upper()
    if _DIGITS.fullmatch(text):
        raise ValueError("is a number in quotes: write it without them")
    if not text.isascii() or not _ISO.fullmatch(upper):
        raise NotIso
    if _LEAP_SECOND.search(upper):
        raise ValueError(LEAP_SECOND)
    within, next_day = _END_OF_DAY.subn("00", upper, 1)
    try:
        moment = datetime.fromisoformat(within)
    except ValueError as error:
        if str(error).startswith("Invalid isoformat"):
            raise NotIso from None
        raise ValueError(f"is no time that there is: {error}") from None
    if moment.tzinfo is None:
        raise ValueError(NO_ZONE)
    return epoch_ms(moment) + next_day * (timedelta(days=1) // timedelta(milliseconds=1))


def refuse_other_unit(number: float) -> None:
    """Refuse seconds, and microseconds and nanoseconds, that stand for milliseconds.

    Raises ValueError; its message follows on the number's name.
    """
    if int(number) in _SECONDS:
        raise ValueError(
            f"is {number}, in milliseconds {iso_time(int(number))}; if these are seconds, write "
            f"{round(number * 1000)}"
        )
    for unit, divisor in (("microseconds", 1_000), ("nanoseconds", 1_000_000)):
        if number > MAX_EVENT_TIME and int(number) // divisor in _MEANT:
            raise ValueError(
                f"is {number}, in milliseconds after the year 9999; if these are {unit}, write "
                f"{int(number) // divisor}"
            )


def is_meant(number: int) -> bool:
    """Whether somebody who writes a time down means so many milliseconds: 1973 to 2286, or 0."""
    return number == 0 or number in _MEANT
