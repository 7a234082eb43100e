"""What `sessions export` is asked for, and what contradicts itself."""

from typing import Any, cast

import pytest

from processor.cli.common.topic_reader import TopicReader
from processor.cli.main import main
from processor.cli.sessions.export_options import Format, format_of, offsets, since
from processor.errors import InputError, NotFound


@pytest.mark.parametrize(
    ("file", "asked", "wanted"),
    [
        ("-", None, "avro"),
        ("-", "parquet", "parquet"),
        ("a.parquet", None, "parquet"),
        ("a.b/c.AVRO", None, "avro"),
        ("x.jsonl", "jsonl", "jsonl"),
        ("plain", "avro", "avro"),
        ("a.b/plain", "parquet", "parquet"),
    ],
)
def test_a_name_says_its_format(file: str, asked: Format | None, wanted: str) -> None:
    assert format_of(file, asked) == wanted


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("a.avro", "parquet"),
        ("a.parquet", "jsonl"),
        ("a.csv", None),
        ("a.json", "jsonl"),
        ("a.jsonl.gz", None),
        ("a.avro.tmp", "avro"),
        ("plain", None),
        ("a.avro/plain", None),
    ],
)
def test_a_name_that_contradicts_its_format_is_refused(file: str, asked: Format | None) -> None:
    with pytest.raises(InputError, match=r"ending|ends in"):
        format_of(file, asked)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["a.avro", "--ends"], "--ends needs --all"),
        (["a.avro", "--all", "--ends"], "which an end is not"),
        (["a.jsonl", "--compression", "deflate"], "not compressed by deflate"),
        (["a.parquet", "--compression", "deflate"], "not compressed by deflate"),
        (["a.avro", "--compression", "snappy"], "not compressed by snappy"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sessions", "export", *options]) == 8
    assert said in capsys.readouterr().err


class Reader:
    """Three partitions, whose offsets are times too."""

    def extents(self, asked: Any = ()) -> dict[int, tuple[int, int]]:
        if any(each > 2 for each in asked):
            raise NotFound("there is no such partition")
        return {0: (5, 20), 1: (0, 0), 2: (7, 30)}

    def topic_id(self) -> str:
        return "a/b+c"

    @property
    def coordination(self) -> "Reader":
        return self

    def offset_at(self, partition: int, timestamp: int, _: object) -> int:
        return timestamp - 1_700_000_000_000 + partition


READER = cast("TopicReader", Reader())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0:9,1:0,2:30", {0: (9, 20), 1: (0, 0), 2: (30, 30)}),
        ("0:9", {0: (9, 20), 1: (0, 0), 2: (7, 30)}),
        ("a/b+c@0:9,2:30", {0: (9, 20), 1: (0, 0), 2: (30, 30)}),
        ("2:1", {0: (5, 20), 1: (0, 0), 2: (7, 30)}),
        ("1700000000010", {0: (10, 20), 1: (0, 0), 2: (12, 30)}),
        ("2023-11-14T22:13:20.025Z", {0: (20, 20), 1: (0, 0), 2: (27, 30)}),
    ],
)
def test_an_export_goes_on_from_offsets_or_a_time(
    text: str, wanted: dict[int, tuple[int, int]]
) -> None:
    told: list[str] = []
    assert since(READER, text, Reader().extents(), told.append) == wanted
    assert told == (
        ["partition 2 begins at 7: what it had from 1 on is gone"] if text == "2:1" else []
    )


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("0:21", InputError, "partition 0 ends at 20"),
        ("3:0", NotFound, "no such partition"),
        ("0:1,0:2", InputError, "given twice"),
        ("0:1,x", InputError, "no partition with an offset"),
        ("yesterday", InputError, "--since"),
        ("abc@0:1", InputError, "topic with the id abc, which this is not"),
        ("a/b+c@yesterday", InputError, "no partition with an offset"),
    ],
)
def test_what_an_export_cannot_go_on_from_is_refused(
    text: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        since(READER, text, Reader().extents(), print)


def test_offsets_are_told_as_they_are_taken() -> None:
    text = offsets("a/b+c", {0: 20, 1: 0, 2: 30})
    found = since(READER, text, Reader().extents(), print)
    assert found == {0: (20, 20), 1: (0, 0), 2: (30, 30)}
