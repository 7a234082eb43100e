"""Points in time on the command line."""

import re
import time
from datetime import datetime
from typing import Final

from processor.cli.common.documents import epoch_ms
from processor.config.durations import duration_ms, is_duration
from processor.errors import InputError
from processor.partitions.takeover import Start

FORMS: Final = "a time is ISO 8601 with a zone (2026-03-01T12:00:00Z), a duration ago (90m, 1d12h) \
or milliseconds since 1970"


def parse_time(text: str, now: int | None = None) -> int:
    """Return milliseconds since 1970; `now` is what durations count back from.

    Raises ValueError, with a message for people, for any other form and for times before 1970.
    """
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
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


def _from_iso(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: {FORMS}") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no zone; add Z for UTC, or an offset such as +02:00")
    return epoch_ms(moment)
