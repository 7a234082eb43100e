"""The options that say from where to where a replay goes."""

from pathlib import Path
from typing import Any

import pytest

from processor.cli.replay.options import BoundOptions
from processor.errors import InputError, NotFound
from processor.replay.bounds import RequestedBounds


def of(**options: Any) -> RequestedBounds | None:
    return BoundOptions(**options).asked("session-updates", "g")


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
        "\ufeffsession-updates,0,12\r\nsession-updates,3,0\r\n",
        "\ufeffg,session-updates,0,12\ng,session-updates,3,0",
        "h,session-updates,0,7\ng,session-updates,0,12\ng,session-updates,3,0\nh,session-updates,3,9",
        "g,session-updates,3,0\ng,other,3,1\ng,session-updates,0,12\nh,session-updates,5,9",
        '"g","session-updates","0","12"\n g , session-updates , 3 , 0 ',
        "session-updates,0,12\nh,session-updates,0,7\ng,session-updates,3,0",
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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"session-updates,0\n", "line 1: 'session-updates,0' is not of the form"),
        (b"\xef\xbb\xbfother,0,1\n", "no line of the topic session-updates"),
        (b"h,session-updates,0,1\nk,session-updates,0,2", "the group g, but of h, k"),
        (b"h,session-updates,0,1\n", "the group g, but of h"),
        (b"g,session-updates,0,1\ng,session-updates,0,2", "line 2: partition 0 .* twice"),
        (b"g,session-updates,0,1\ng,session-updates,0,1", "line 2: partition 0 .* twice"),
        (b"session-updates,0,1\n\ng,session-updates,0,2", "line 3: partition 0 .* twice"),
        (
            b"g,session-updates,0,1\nh,session-updates,0,3\ng,session-updates,00,2",
            "line 3: .* twice",
        ),
        (b"g,session-updates,0,-\n", "line 1: .* is not of the form"),
        (b"session-updates,0," + b"9" * 5_000, "line 1: .* is not of the form"),
        (b'"' + b"x" * 200_000, "line 1: field larger"),
        ("session-updates,0,1".encode("utf-16"), "not a text in UTF-8"),
        (b"GROUP,TOPIC,PARTITION,OFFSET\n", "line 1: .* is not of the form"),
    ],
)
def test_a_file_of_another_group_or_with_a_partition_twice_is_refused(
    tmp_path: Path, content: bytes, told: str
) -> None:
    file = tmp_path / "offsets.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=told):
        of(from_file=file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        of(from_file=tmp_path / "absent.csv")
