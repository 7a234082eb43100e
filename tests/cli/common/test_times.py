"""Points in time, as they are typed."""

import time

import pytest

from processor.cli.common.times import parse_start, parse_time

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1750000000123", 1_750_000_000_123),
        ("0", 0),
        ("1970-01-01T00:00:01Z", 1000),
        ("2026-03-01T12:00:00.250Z", 1_772_366_400_250),
        ("2026-03-01T14:00:00+02:00", 1_772_366_400_000),
        ("2h", NOW - 7_200_000),
        ("1d12h", NOW - 129_600_000),
        ("90m", NOW - 5_400_000),
        ("1w", NOW - 604_800_000),
        ("1s250ms", NOW - 1250),
        ("2026-03-01t12:00:00z", 1_772_366_400_000),
        ("2026-02-28T24:00:00Z", 1_772_323_200_000),
    ],
)
def test_a_time_is_read(text: str, moment: int) -> None:
    assert parse_time(text, NOW) == moment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-03-01T12:00:00", "no zone"),
        ("2026-03-01", "no zone"),
        ("yesterday", "is no time"),
        ("", "is no time"),
        ("2x", "is no time"),
        ("-5", "is no time"),
        ("1969-12-31T23:59:59Z", "before 1970"),
        ("9999w", "before 1970"),
        ("١٢٣", "is no time"),
        ("1772366400", "1772366400, in milliseconds 1970-01-21T12:19:26.400Z; if .* 1772366400000"),
        ("1772366400000000", "if these are microseconds, write 1772366400000"),
        ("1772366400000000000", "if these are nanoseconds, write 1772366400000"),
        ("1772366400.5", "is no time"),
        ("20260301", "20260301 is 1970-01-01T05:37:40.301Z, in milliseconds"),
        ("2026", "2026 is 1970-01-01T00:00:02.026Z, in milliseconds"),
        ("20260301120000", "20260301120000 is 2612-01-10"),
        ("2026-03-01T23:59:60Z", "leap second"),
        ("2026-03-01T24:30:00Z", "is no time that there is: hour"),
        ("2026-13-01T12:00:00Z", "is no time that there is: month"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_time(text, NOW)


def test_a_start_is_an_end_of_the_log_or_a_time() -> None:
    assert parse_start("earliest") == "earliest"
    assert parse_start("latest") == "latest"
    assert parse_start("1750000000123") == 1_750_000_000_123
    ago = parse_start("1h")
    assert isinstance(ago, int)
    assert abs(time.time() * 1000 - 3_600_000 - ago) < 60_000
