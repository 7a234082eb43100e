"""The options that say from where to where a replay goes."""

from pathlib import Path
from typing import Any

import pytest

from processor.cli.replay.options import BoundOptions
from processor.errors import InputError, NotFound
from processor.replay.bounds import RequestedBounds


def of(**options: Any) -> RequestedBounds | None:
    return BoundOptions(**options).asked("session-updates")


def test_each_start_and_end() -> None:
    assert of() is None
    assert of(from_earliest=True) == RequestedBounds("earliest", None)
    assert of(from_offset="0:12, 3:0", until_offset="0:20") == RequestedBounds(
        {0: 12, 3: 0}, {0: 20}
    )
    assert of(from_time="1700000000000", until_time="1700000000001") == RequestedBounds(
        1_700_000_000_000, 1_700_000_000_001
    )


@pytest.mark.parametrize(
    "lines",
    [
        "session-updates,0,12\nother,0,1\n\nsession-updates,3,0\n",
        "g,session-updates,0,12\ng,session-updates,3,0",
    ],
)
def test_a_file_of_the_tool(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "offsets.csv"
    file.write_text(lines)
    assert of(from_file=file) == RequestedBounds({0: 12, 3: 0}, None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"from_earliest": True, "from_time": "2h"}, "more than one start"),
        ({"from_earliest": True, "until_time": "2h", "until_offset": "0:1"}, "both"),
        ({"until_time": "2h"}, "no start"),
        ({"from_offset": "0"}, "'0' is no partition with an offset"),
        ({"from_offset": "0:1,0:2"}, "given twice"),
        ({"from_offset": "0:-1"}, "no partition with an offset"),
        ({"from_time": "yesterday"}, "--from-time: 'yesterday' is no time"),
    ],
)
def test_what_says_nothing_that_can_be_done(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        of(**options)


def test_files_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        of(from_file=tmp_path / "absent.csv")
    file = tmp_path / "offsets.csv"
    file.write_text("session-updates,0\n")
    with pytest.raises(InputError, match="line 1"):
        of(from_file=file)
    file.write_text("other,0,1\n")
    with pytest.raises(InputError, match="no line of the topic session-updates"):
        of(from_file=file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        of(from_file=file)
