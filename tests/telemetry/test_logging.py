"""How log lines look, and where they go."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from processor.telemetry.logging import configure


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_than_on_a_terminal_a_line_is_a_json_object_with_utc_time() -> None:
    stream = io.StringIO()
    configure("auto", "info", stream)
    structlog.get_logger("some.module").info("batch committed", records=3)
    line = json.loads(stream.getvalue())
    when = datetime.fromisoformat(line.pop("timestamp"))
    assert line == {
        "event": "batch committed",
        "records": 3,
        "level": "info",
        "logger": "some.module",
    }
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)


def test_on_a_terminal_a_line_is_for_people() -> None:
    stream = Terminal()
    configure("auto", "info", stream)
    structlog.get_logger().info("batch committed", records=3)
    assert "batch committed" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nlevel=error", "a\\nlevel=error"),
        ("a\r\x08\x07", "a\\r\\x08\\x07"),
        ("\x9b31m\x00\x7f", "\\x9b31m\\x00\\x7f"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2028\x85", "\\u2028\\x85"),
    ],
)
def test_on_a_terminal_data_ends_no_line_and_is_not_obeyed(given: str, seen: str) -> None:
    stream = io.StringIO()
    configure("human", "info", stream)
    structlog.get_logger().warning(given, cause=given)
    assert stream.getvalue().removesuffix("\n").isprintable()
    assert seen in stream.getvalue()
    structlog.get_logger().warning("it failed", exc_info=ValueError(given))
    assert stream.getvalue().replace("\n", "").isprintable()


def test_libraries_lines_take_the_same_way() -> None:
    stream = io.StringIO()
    configure("json", "info", stream)
    logging.getLogger("library").warning("odd: %s", "thing")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("odd: thing", "warning", "library")


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    configure("json", "warning", stream)
    structlog.get_logger().info("unheard")
    logging.getLogger("library").info("unheard")
    assert not stream.getvalue()


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_a_traceback_tells_no_local_variable(log_format: str) -> None:
    stream = io.StringIO()
    configure(log_format, "info", stream)  # type: ignore[arg-type]
    password = str(io.StringIO("planted").read())
    try:
        int(password[:0])
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "planted" not in stream.getvalue()


def test_the_last_configuration_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("json", "info", first)
    monkeypatch.setattr(sys, "stderr", second)
    configure("json", "info")
    structlog.get_logger().info("once")
    assert not first.getvalue()
    assert second.getvalue().count("once") == 1
