"""What is given to `produce` as a whole: its shape, its name, and the ids that its lines get."""

import gzip
import io
import json

import pytest

from processor.cli.common.output import progress_bar
from processor.cli.produce.check import check
from processor.cli.produce.lines import Source
from processor.core.update import SessionUpdate
from processor.errors import InputError

LINE = '{"applicationId": 1, "integrationId": "a"}'
DOCUMENT = {"applicationId": 1, "integrationId": "a", "cartItems": [], "attributes": {"a": [1]}}


def source(content: bytes | str, *, pipe: bool = False, again: bool = False) -> Source:
    raw = content if isinstance(content, bytes) else content.encode()
    return Source(io.BytesIO(raw), pipe=pipe, again=again)


def checked(content: bytes | str) -> int:
    with progress_bar(as_json=False) as bar:
        return check(source(content), bar, as_json=False)


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (json.dumps([DOCUMENT]), "one JSON array", "jq -c '.[]'"),
        (json.dumps([DOCUMENT, DOCUMENT], indent=2), "one JSON array", "jq -c '.[]'"),
        (f"[{LINE},\n{LINE}]\n", "one JSON array", "jq"),
        (f"\n\n [\n{LINE}\n]", "one JSON array", "jq"),
        (json.dumps(DOCUMENT, indent=4), "JSON over several lines", "jq -c ."),
        (json.dumps(DOCUMENT, indent=1) * 2, "JSON over several lines", "jq -c ."),
        ("\ufeff" + json.dumps(DOCUMENT, indent="\t"), "JSON over several lines", "jq -c ."),
        ('{"applicationId": 1,\r\n"integrationId": "a"}', "JSON over several lines", "jq -c ."),
        ('{"cartItems": [\n{"sku": "T"}]}', "JSON over several lines", "jq -c ."),
        (gzip.compress(LINE.encode(), mtime=0), "compressed (gzip)", "zcat"),
        (b"\x28\xb5\x2f\xfd\0", "compressed (zstd)", "zstdcat"),
        (b"Obj\x01\x02", "an Avro container", "JSON lines"),
        (LINE.encode("utf-16"), "UTF-16", "iconv"),
        (LINE.encode("utf-16-le"), "UTF-16", "iconv"),
        (LINE.encode("utf-16-be"), "UTF-16", "iconv"),
    ],
)
def test_what_is_not_json_lines_is_told_once_with_the_remedy(
    content: bytes | str, what: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="nothing was sent") as raised:
        checked(content)
    assert f"the input is {what}, not" in raised.value.message.replace("\n", "")
    assert remedy in raised.value.hint
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "bad"),
    [
        ("", 0),
        (f"\ufeff\n{LINE}\n", 0),
        (f"[]\n{LINE}", 1),
        (f"[1]\n{LINE}\nnope", 2),
        ("{\n", 1),
        ('{"applicationId": 1, "integ', 1),
        (f"{LINE[:20]}\n{LINE}", 1),
        (f"{LINE},\n{LINE},", 2),
        (f"{LINE}{LINE}", 1),
    ],
)
def test_lines_that_are_bad_are_told_each(content: str, bad: int) -> None:
    assert checked(content) == bad


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([{"state": "closed"}], [1]),
        ([{"state": "cancelled"}], [1]),
        ([{}, {"state": "closed"}], []),
        ([{"state": "open"}, {"state": "closed"}], []),
        ([{"integrationId": "b"}, {"state": "closed"}, {"state": "closed"}], [2]),
        (
            [{"integrationId": "\x1b[2J", "state": "closed", "total": 1}, {"state": "closed"}],
            [1, 2],
        ),
    ],
)
def test_an_end_without_a_beginning_is_told_before_it_is_sent(
    lines: list[dict[str, object]], told: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked("\n".join(json.dumps({**json.loads(LINE), **each}) for each in lines)) == 0
    seen = capsys.readouterr().err.splitlines()
    assert [int(each.split()[1].rstrip(":")) for each in seen] == told
    assert all("state is" in each and "rejected" in each and "\x1b" not in each for each in seen)


def ids(of: Source) -> list[str]:
    found = [line.update for line in of.lines()]
    assert all(isinstance(each, SessionUpdate) for each in found)
    return [each.event_id for each in found if isinstance(each, SessionUpdate)]


def test_a_files_lines_get_the_same_ids_each_time_and_no_two_the_same() -> None:
    three = f"{LINE}\n{LINE}\n{LINE}\n"
    first = ids(source(three))
    assert len(set(first)) == 3
    assert ids(source(three)) == first
    assert ids(source(three + LINE))[:3] == first
    for other in (source(three, pipe=True), source(three, again=True), source(f"\n{three}")):
        assert not set(ids(other)) & set(first)


@pytest.mark.parametrize("first", [LINE, f"{LINE}\n\n{LINE}", f"{LINE}\r\n{LINE}", f"\ufeff{LINE}"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\r\n", "\n\n"])
def test_a_last_line_keeps_its_id_when_it_gets_an_end(first: str, end: str) -> None:
    sent = ids(source(first))
    # The end may come in parts, if somebody is still writing the file.
    for grown in (first + end[:1], first + end, f"{first}{end}{LINE}", f"{first}{end}{LINE}{end}"):
        found = ids(source(grown))
        assert found[: len(sent)] == sent
        assert len(set(found)) == len(found)
    assert source(f"{first}{end}{LINE}").beginnings({named(first)})[:1] == [named(first)]


def named(content: str) -> str:
    given = source(content)
    list(given.lines())
    return given.name


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n", "\nnope", "\n" + LINE])
def test_a_file_that_goes_on_is_known_by_its_beginning(end: str) -> None:
    former = f"{LINE}\n\n{LINE}"
    known = {named(LINE), named(former + end), named(f"{LINE}\nx"), "other"}
    assert source(f"{former}{end}\n{LINE}\n").beginnings(known)[:1] == [named(former + end)]
    assert source(f"{former}{end}\n{LINE}\n").beginnings(known)[-1:] == [named(LINE)]
    assert source(f"\n{former}{end}\n{LINE}\n").beginnings(known) == []
    assert source(f"{former}{end}\n{LINE}\n", pipe=True).beginnings(known) == []
