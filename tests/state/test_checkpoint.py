"""The texts that tie state to its stream: what is read, whoever wrote it, and what is not."""

import json
from contextlib import suppress
from typing import Any

import pytest
from fakes.service import STREAM
from hypothesis import given
from hypothesis import strategies as st

from processor.partitions.committed import changes
from processor.state.checkpoint import (
    FORMAT,
    READABLE,
    Checkpoint,
    CommitMetadata,
    ForeignText,
    Promoted,
)

METADATA = CommitMetadata("group-nonce", 42, STREAM, 3)
CHECKPOINT = Checkpoint("cluster", "id-1", "id-2", 1, "group-nonce", 7, 9, 1_700_000_000_000, 2)


def changed(text: str | bytes, **changes: Any) -> str:
    """Return the text with some fields replaced; None removes one."""
    fields = {**json.loads(text), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def test_what_is_written_is_read() -> None:
    assert CommitMetadata.decode(METADATA.encode(), STREAM.cluster) == METADATA
    rare = METADATA._replace(promoted=Promoted("night", 9), seeding=0, ended=1_700_000_000_000)
    assert CommitMetadata.decode(rare.encode(), STREAM.cluster) == rare
    assert Checkpoint.decode(CHECKPOINT.encode()) == CHECKPOINT


def test_metadata_fits_into_what_brokers_take() -> None:
    long = METADATA._replace(identity="g" * 249 + "-" + "f" * 32, output=2**63 - 1)
    assert len(long.encode()) < 1_000


def test_a_newer_format_that_can_be_read_is_read() -> None:
    newer = {"format": FORMAT + 7, "readable": READABLE, "unknown": {"to": ["us"]}}
    text = changed(METADATA.encode(), **newer)
    assert CommitMetadata.decode(text, STREAM.cluster) == METADATA
    assert Checkpoint.decode(changed(CHECKPOINT.encode(), **newer).encode()) == CHECKPOINT


@pytest.mark.parametrize("readable", [FORMAT + 1, "1", [1], 1.5])
def test_a_format_that_cannot_be_read_is_foreign(readable: Any) -> None:
    with pytest.raises(ForeignText, match=r"format that this version cannot read: "):
        CommitMetadata.decode(changed(METADATA.encode(), readable=readable), "c")
    with pytest.raises(ForeignText, match=r"format that this version cannot read: "):
        Checkpoint.decode(changed(CHECKPOINT.encode(), readable=readable).encode())


@pytest.mark.parametrize("field", ["id", "out", "topics", "partitions", "framing", "epoch"])
def test_metadata_that_lacks_a_field_is_foreign(field: str) -> None:
    with pytest.raises(ForeignText, match=field):
        CommitMetadata.decode(changed(METADATA.encode(), **{field: None}), "c")


@pytest.mark.parametrize("field", Checkpoint._fields)
def test_a_checkpoint_that_lacks_a_field_is_foreign(field: str) -> None:
    with pytest.raises(ForeignText, match=field):
        Checkpoint.decode(changed(CHECKPOINT.encode(), **{field: None}).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"topics": ["a", "b"]},
        {"topics": 5},
        {"out": "x"},
        {"epoch": []},
        {"partitions": {}},
        {"out": float("inf")},
        {"promoted": []},
    ],
    ids=str,
)
def test_metadata_with_a_wrong_field_is_foreign(changes: dict[str, Any]) -> None:
    with pytest.raises(ForeignText, match="absent or wrong"):
        CommitMetadata.decode(changed(METADATA.encode(), **changes), "c")


@pytest.mark.parametrize("text", ["", "x", "[]", "1", "null", "{}", '"readable"', "[" * 100_000])
def test_what_is_no_text_of_ours_is_foreign(text: str) -> None:
    with pytest.raises(ForeignText):
        CommitMetadata.decode(text, "c")
    with pytest.raises(ForeignText):
        Checkpoint.decode(text.encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(json.loads(METADATA.encode()))), json_values))
def test_whatever_metadata_holds_it_is_read_or_foreign(changes: dict[str, Any]) -> None:
    with suppress(ForeignText):
        CommitMetadata.decode(changed(METADATA.encode(), **changes), "c")


@pytest.mark.parametrize("field", ["epoch", "offset", "output", "written", "filled"])
def test_a_checkpoint_with_an_infinite_number_is_foreign(field: str) -> None:
    """JSON has no infinity, but Python's reader knows one."""
    with pytest.raises(ForeignText, match="absent or wrong"):
        Checkpoint.decode(changed(CHECKPOINT.encode(), **{field: float("inf")}).encode())


@given(
    st.binary(max_size=40)
    | st.dictionaries(st.sampled_from(Checkpoint._fields), json_values).map(
        lambda changes: changed(CHECKPOINT.encode(), **changes).encode()
    )
)
def test_whatever_a_checkpoint_holds_it_is_read_or_foreign(value: bytes) -> None:
    with suppress(ForeignText):
        Checkpoint.decode(value)


def test_metadata_says_which_formats_are_read_and_whether_commands_were_passed() -> None:
    several = METADATA._replace(stream=STREAM._replace(formats="avro,json"))
    for commands in (False, True):
        text = several._replace(commands=commands).encode()
        assert json.loads(text)["readable"] == FORMAT
        assert CommitMetadata.decode(text, STREAM.cluster) == several._replace(commands=commands)
        alone = json.loads(METADATA._replace(commands=commands).encode())
        assert alone["readable"] == READABLE + commands
        assert "formats" not in alone
        assert CommitMetadata.decode(json.dumps(alone), STREAM.cluster).stream.formats == "avro"


@pytest.mark.parametrize(
    ("then", "now", "goes_on"),
    [
        ("avro", "avro,json", True),
        ("avro", "avro,json,cloudevents", True),
        ("avro,json", "avro,json", True),
        ("avro,json", "avro", False),
        ("avro,json", "avro,cloudevents", False),
        ("avro,protobuf", "avro,json,cloudevents", False),
    ],
)
def test_more_formats_may_be_read_and_not_fewer(then: str, now: str, *, goes_on: bool) -> None:
    before, after = (STREAM._replace(formats=each) for each in (then, now))
    assert after.goes_on_from(before) == goes_on
    assert not after._replace(claims="another").goes_on_from(before)
    assert changes(before, after) == ([] if goes_on else ["formats"])
