"""An end, as `sessions watch` tells it to people and to programs."""

import json

import pytest

from processor.cli.main import main
from processor.cli.sessions.commands import _tell_deleted
from processor.ports.log import Headers, Record
from processor.state.ends import End


@pytest.mark.parametrize(
    ("headers", "people", "programs"),
    [
        (End("erase", 12, "e", 3).headers(), "1:a  v3  ended by erase", ["erase", 3, 12, "e"]),
        ((), "1:a  deleted", [None] * 4),
    ],
)
def test_an_end_is_told(
    capsys: pytest.CaptureFixture[str], headers: Headers, people: str, programs: list[object]
) -> None:
    record = Record(0, 1, 1_000, b"1:a", None, headers)
    _tell_deleted(record, as_json=False)
    assert capsys.readouterr().out == f"0:1  {people}\n"
    _tell_deleted(record, as_json=True)
    names = ("endedBy", "version", "inputOffset", "eventId")
    assert json.loads(capsys.readouterr().out) == {
        "key": "1:a",
        "deleted": True,
        **dict(zip(names, programs, strict=True)),
        "outputPartition": 0,
        "outputOffset": 1,
    }


@pytest.mark.parametrize("key", ["", "cart-17", "0:", "0:a", "1:", "2147483648:a"])
def test_for_what_no_session_has_for_a_key_nobody_waits(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sessions", "watch", "--key", key]) == 8
    assert "no session's key" in capsys.readouterr().err
