"""What `sessions erase` takes for an id, a file or a report, and what it refuses."""

import re
from pathlib import Path

import pytest

from processor.cli.main import main
from processor.cli.sessions.erase_options import AskedOptions, new_report, read_report, save_report
from processor.erasure.ids import Ids
from processor.erasure.report import Report, Where
from processor.errors import InputError, NotFound

REPORT = Report(Where("c", "g", "u", "s"), 1, "salt", hashed=False, ids=Ids(), commands=0)


def asked(file: Path, content: bytes) -> Ids:
    file.write_bytes(content)
    return AskedOptions(from_file=file).ids()


def test_a_file_may_have_several_kinds_a_mark_before_them_and_any_line_ends(tmp_path: Path) -> None:
    content = (
        "\ufeffsession 1:a b\u2028c\r\n\r\n# who\nprofile 2:ann\nidentifier # X \nsession 1:a b"
    )
    ids = Ids(frozenset({"1:a b\u2028c", "1:a b"}), frozenset({"2:ann"}), frozenset({"# X "}))
    assert asked(tmp_path / "file", content.encode()) == ids
    more = AskedOptions(session=["1:d"], identifier=["X"], from_file=tmp_path / "file").ids()
    assert more.sessions == ids.sessions | {"1:d"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "names nothing"),
        (b"# nothing\n\n", "names nothing"),
        (b"session 1:a\n1:b\n", "line 2 is not of the form"),
        (b"session 1:a\nsession \n", "line 2 is not of the form"),
        (b"sessions 1:a", "line 1 is not of the form"),
        ("session 1:a".encode("utf-16"), "is not UTF-8"),
        (b"session a:1", "is no session"),
        (b"profile 1:", "is no profile"),
    ],
)
def test_a_file_of_another_form_is_refused_by_its_line(
    tmp_path: Path, content: bytes, told: str
) -> None:
    with pytest.raises(InputError, match=told) as raised:
        asked(tmp_path / "file", content)
    assert "Nothing was changed" in raised.value.hint


@pytest.mark.parametrize(
    "key", ["", ":", "a", "1:", ":a", "0:a", "01:a", "-1:a", "+1:a", "2147483648:a"]
)
def test_what_is_no_key_is_refused(key: str) -> None:
    for options in (AskedOptions(session=[key]), AskedOptions(profile=["1:ann", key])):
        with pytest.raises(InputError, match="has the form APPLICATION:ID"):
            options.ids()


def test_nothing_and_the_empty_and_what_is_not_text_are_refused() -> None:
    for options, told in (
        (AskedOptions(), "what is to be erased"),
        (AskedOptions(identifier=[""]), "an identifier is empty"),
        (AskedOptions(identifier=["\udcff"]), "not UTF-8"),
    ):
        with pytest.raises(InputError, match=told):
            options.ids()


def test_a_report_is_its_owners_alone_and_replaces_no_other(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    new_report(path, REPORT)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="exists") as raised:
        new_report(path, REPORT)
    assert "Nothing was sent" in raised.value.hint
    path.chmod(0o640)
    save_report(path, REPORT._replace(commands=3))
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_report(path).commands == 3
    assert [*tmp_path.iterdir()] == [path]
    with pytest.raises(NotFound):
        read_report(tmp_path / "none")
    with pytest.raises(InputError, match="cannot go to standard output"):
        new_report(Path("-"), REPORT)
    with pytest.raises(InputError, match="cannot be written"):
        new_report(tmp_path / "none" / "report.json", REPORT)


def test_a_report_has_times_as_the_rest_does_and_none_beyond_the_last_date() -> None:
    text = REPORT._replace(verified_at=2**62).encode()
    assert b'"asked_at": "1970-01-01T00:00:00.001Z"' in text
    assert b'"verified_at": "9999-12-31T23:59:59.999Z"' in text
    assert Report.decode(text).asked_at == 1


def test_a_report_is_verified_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    report.write_text("{}")
    options = ("sessions", "erase", "--verify", str(report))
    assert main([*options, "--session", "1:a"]) == 8
    assert main([*options, "--yes"]) == 8
    assert len(re.findall("takes its report alone", capsys.readouterr().err)) == 2
    assert main(options) == 8
    assert "no report" in capsys.readouterr().err
