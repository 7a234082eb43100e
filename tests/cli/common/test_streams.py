"""Standard output in any encoding, full, closed, or without a reader."""

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from processor.cli.common.new_file import new_file_or_output
from processor.cli.common.output import emit, emit_one, print_json
from processor.cli.common.streams import ReaderGone, StandardOutput, text_on
from processor.errors import InputError, OutputError

NAMES = ["grüße", "→", "日本", "a\ud800b", "🍵", "\udcff"]
COMMAND = shlex.join([sys.executable, "-m", "processor"])


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe."""
    read, write = os.pipe()
    yield read, write
    for descriptor in (read, write):
        with suppress(OSError):
            os.close(descriptor)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "koi8-r"])
@pytest.mark.parametrize("text", NAMES)
def test_what_an_encoding_lacks_is_written_as_json_has_it(
    encoding: str, text: str, ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = ends
    like = io.TextIOWrapper(io.BytesIO(), encoding)
    with text_on(StandardOutput(write, "wb"), like) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        print_json({"name": text})
        emit([{"name": text}], as_json=False)
    with open(read, encoding=encoding) as lines:  # noqa: PTH123  a descriptor
        assert json.loads(lines.readline()) == {"name": text}
        assert len(lines.readlines()) == 2


@pytest.mark.parametrize("form", ["json", "table"])
@pytest.mark.parametrize("where", ["/dev/full", "closed", "no reader"])
def test_what_cannot_be_written_is_told_once(
    where: str, ends: tuple[int, int], form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = ends
    if where == "/dev/full":
        raw = StandardOutput(where, "wb")
    else:
        raw = StandardOutput(read if where == "closed" else write, "wb", closefd=False)
        if where == "no reader":
            os.close(read)
    expected = ReaderGone if where == "no reader" else OutputError
    with text_on(raw) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(expected):
            emit_one({"a": 1}, as_json=form == "json")
        emit_one({"a": 1}, as_json=form == "json")  # and at the exit nothing is left to fail


def test_a_file_of_bytes_is_not_written_to_a_terminal(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = StandardOutput(ends[1], "wb", closefd=False)
    with text_on(raw) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with new_file_or_output("-") as file:
            file.write(b"\0\xff")
        assert os.read(ends[0], 9) == b"\0\xff"
        monkeypatch.setattr(raw, "isatty", lambda: True)
        with pytest.raises(InputError, match="is a terminal"), new_file_or_output("-"):
            pass


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("config show > /dev/full", 15, "error: standard output cannot be written: No space"),
        ("config show --json >&-", 15, "it is closed"),
        ("--help > /dev/full", 15, "No space"),
        ("--version >&-", 15, "it is closed"),
        ("config show --json | head -n 0", 141, ""),
        ("config nothing 2> /dev/full", 2, ""),
        ("config show <&- >&- 2>&-", 15, ""),
    ],
)
def test_a_command_ends_with_a_code_that_is_documented(line: str, code: int, told: str) -> None:
    script = f"set -o pipefail; {COMMAND} {line}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert told in ended.stderr
    assert "defect" not in ended.stderr
    assert bool(told) == bool(ended.stderr)
