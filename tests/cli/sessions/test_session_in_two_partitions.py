"""A session that is in two partitions, as `sessions get` tells it."""

import json

import pytest

from processor.cli.main import main
from processor.cli.sessions import commands
from processor.cli.sessions.lives import fields_of
from processor.core.session import Session

PLACES = {each: fields_of(Session("a", 0, 1, coupon=f"of {each}", version=1)) for each in (0, 11)}


@pytest.fixture(autouse=True)
def _cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "look_up", lambda *_: PLACES)


def test_people_are_told_which_is_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "get", "1:a"]) == 0
    said = capsys.readouterr()
    _, first, second = said.out.split("partition ")
    assert (first.split()[0], "of 0" in first) == ("0", True)
    assert (second.split()[0], "of 11" in second) == ("11", True)
    assert "in partitions 0, 11: " in said.err


def test_programs_are_told_which_is_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "get", "1:a", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["outputPartition"], each["coupon"]) for each in told] == [
        (0, "of 0"),
        (11, "of 11"),
    ]


def test_the_document_alone_says_it_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "get", "1:a", "--document"]) == 0
    said = capsys.readouterr()
    assert [len(json.loads(line)) for line in said.out.splitlines()] == [13, 13]
    assert "in partitions 0, 11: " in said.err
