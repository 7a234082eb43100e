"""Points in time on the command line."""

import re
import time
from typing import Final

from processor.cli.common.moments import NotIso, is_meant, iso_ms, refuse_other_unit
from processor.config.durations import duration_ms, is_duration
from processor.errors import InputError
from processor.partitions.takeover import Start
from processor.ports.instants import iso_time

FORMS: Final = "a time is ISO 8601 with a zone (2026-03-01T12:00:00Z), a duration ago (90m, 1d12h) \
or milliseconds since 1970"


def parse_time(text: str, now: int | None = None) -> int:
    """Return milliseconds since 1970; `now` is what durations count back from.

    Raises ValueError, with a message for people, for any other form, for times before 1970, and for
    a number that nobody means as milliseconds: seconds, or a date without its hyphens.
    """
    if re.fullmatch(r"[0-9]{1,19}", text):
        return _number(int(text))
    if is_duration(text):
        moment = (time.time_ns() // 1_000_000 if now is None else now) - duration_ms(text)
    else:
        moment = _from_iso(text)
    if moment < 0:
        raise ValueError(f"{text} is before 1970")
    return moment


def time_of(option: str, text: str | None) -> int | None:
    """Return the time that an option was given, None where it was not. Raises InputError."""
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}", hint=FORMS) from None


def parse_start(text: str) -> Start:
    """Return where to start: `earliest`, `latest` or a time. Raises ValueError as above."""
    if text == "earliest":
        return "earliest"
    if text == "latest":
        return "latest"
    return parse_time(text)


def _number(number: int) -> int:
    if is_meant(number):
        return number
    try:
        refuse_other_unit(number)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("is ")) from None
    raise ValueError(f"{number} is {iso_time(number)}, in milliseconds: {FORMS}")


def _from_iso(text: str) -> int:
    try:
        return iso_ms(text)
    except NotIso:
        raise ValueError(f"{text!r} is no time: {FORMS}") from None
    except ValueError as error:
        raise ValueError(f"{text} {error}") from None
