"""What commands print, for people and for programs."""

import json

import pytest

from processor.cli.common.output import emit, emit_one, note, progress_bar, tell
from processor.errors import NotFound


def test_rows_are_a_table_for_people_that_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    emit([{"key": "x" * 200, "count": 1234567, "ok": True, "none": None}], as_json=False)
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["key", "count", "ok", "none"]
    assert row.split() == ["x" * 200, "1,234,567", "yes"]


def test_rows_are_one_object_a_line_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    emit(({"n": n, "text": "é"} for n in (1, 2)), as_json=True)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"n": 1, "text": "é"}, {"n": 2, "text": "é"}]


def test_no_rows_are_told_to_people_and_are_nothing_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit([], as_json=True)
    assert not capsys.readouterr().out
    emit([], as_json=False)
    assert capsys.readouterr().out.strip() == "none"


def test_one_thing_is_a_line_a_field_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    emit_one({"state": "open", "cart": [1], "first": False}, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["state", "open"], ["cart", "[1]"], ["first", "no"]]
    emit_one({"state": "open"}, as_json=True)
    assert capsys.readouterr().out == '{"state": "open"}\n'


def test_markup_in_data_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    emit_one({"text": "[red]not markup[/red]"}, as_json=False)
    note("[bold]nor this")
    seen = capsys.readouterr()
    assert "[red]not markup[/red]" in seen.out
    assert "[bold]nor this" in seen.err


def test_notes_and_bars_are_not_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    note("working", as_json=True)
    with progress_bar(as_json=True) as bar:
        bar.advance(bar.add_task("working", total=1))
    assert capsys.readouterr() == ("", "")


def test_an_error_is_told_with_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    error = NotFound("no session 1:a", hint="look at the key")
    tell(error, as_json=False)
    assert capsys.readouterr().err == "error: no session 1:a\nhint: look at the key\n"
    tell(error, as_json=True)
    assert json.loads(capsys.readouterr().err) == {
        "error": "NotFound",
        "message": "no session 1:a",
        "hint": "look at the key",
        "exit_code": 9,
    }
