"""A point in time as a text: RFC 3339, and the forms near it that libraries write."""

import re
from typing import Final

NO_ZONE: Final = "has no zone; add Z for UTC, or an offset such as +02:00"
LEAP_SECOND: Final = "has a leap second (:60), which milliseconds since 1970 cannot say; write :59"
_FORM = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]"
    r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]+))?)?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)"
)
_WITHOUT_ZONE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.,]+")
_LEAP_SECOND = re.compile(r".{10}[Tt ][0-9]{2}:[0-9]{2}:60")
_DAYS_BEFORE_1970: Final = 719_468
"""Days from 0000-03-01 to 1970-01-01."""
_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_OF_400_YEARS: Final = 146_097


def milliseconds(text: str) -> int:
    """Return the time in milliseconds since 1970; what is below one is cut off, towards the past.

    Raises ValueError for any other text; the message follows on the name of what has it.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(_wrong(text))
    year, month, day, hour, minute = map(int, form.groups()[:5])
    if not (1 <= month <= len(_MONTHS) and 1 <= day <= _days_of(year, month)):
        raise ValueError("is a day that no month has")
    fraction = int((form[7] or "")[:3].ljust(3, "0"))
    offset = int(form[9] or 0) * 60 + int(form[10] or 0)
    minutes = (_days(year, month, day) * 24 + hour) * 60 + minute
    minutes += offset if form[8] == "-" else -offset
    return (minutes * 60 + int(form[6] or 0)) * 1000 + fraction


def _days_of(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTHS[month - 1] + (month == 2 and leap)  # noqa: PLR2004  February


def _days(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 in the Gregorian calendar, counting years from March on."""
    years, months = (year, month - 3) if month > 2 else (year - 1, month + 9)  # noqa: PLR2004
    eras, of_era = divmod(years, 400)
    of_year = (153 * months + 2) // 5 + day - 1
    within = of_era * 365 + of_era // 4 - of_era // 100 + of_year
    return eras * _DAYS_OF_400_YEARS + within - _DAYS_BEFORE_1970


def _wrong(text: str) -> str:
    if _WITHOUT_ZONE.fullmatch(text):
        return NO_ZONE
    if _LEAP_SECOND.match(text):
        return LEAP_SECOND
    return "is neither a time such as 2026-03-01T12:00:00Z nor milliseconds since 1970"
