"""Points in time: milliseconds since 1970, as a clock and records have them, and as texts."""

from datetime import datetime, timedelta
from typing import Final

_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def epoch_ms(value: int | datetime) -> int:
    """Return the time in milliseconds since 1970."""
    return (value - _EPOCH) // _MILLISECOND if isinstance(value, datetime) else value


def iso_time(value: int | datetime) -> str:
    """Return the time in ISO 8601, UTC, to the millisecond; as a number where no date has it."""
    try:
        moment = _EPOCH + timedelta(milliseconds=epoch_ms(value))
    except OverflowError:
        return f"{value} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
