"""Data on a terminal moves no cursor, ends no line, turns no direction; and stays what it is."""

import json

import pytest
from rich.text import Text

from processor.cli.common.output import emit, emit_one, note, out, print_text, tell
from processor.cli.common.session_view import line, page
from processor.cli.sessions.lives import fields_of
from processor.core.session import Session
from processor.errors import NotFound
from processor.telemetry.visible import printable, printable_json

HOSTILE = {
    "\x1b[2J\x1b[H": "\\x1b[2J\\x1b[H",
    "a\nb\r\nc": "a\\nb\\r\\nc",
    "\x9b31m": "\\x9b31m",
    "\x1b]8;;http://x\x07": "\\x1b]8;;http://x\\x07",
    "a\tb\x00\x7f\x08": "a\\tb\\x00\\x7f\\x08",
    "\u202egnp.exe": "\\u202egnp.exe",
    "\u2028\u2029\x85\x0b\x0c": "\\u2028\\u2029\\x85\\x0b\\x0c",
    "a\u200b\ufeff": "a\\u200b\\ufeff",
    "\ud800": "\\ud800",
    "\U000e0041": "\\U000e0041",
}
HARMLESS = ["", "grüße", "日本語\u3000茶", "1\u00a0000", "🍵", ":tea: [red]x[/red] \\n"]

hostile = pytest.mark.parametrize(("given", "seen"), HOSTILE.items())


@hostile
def test_what_a_terminal_would_obey_is_escaped(given: str, seen: str) -> None:
    assert printable(given) == seen
    text = json.dumps({given: [given]}, ensure_ascii=False)
    assert json.loads(printable_json(text)) == {given: [given]}
    assert printable_json(text).isprintable()


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_seen_stays(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printable(text) == text
    emit_one({"name": text}, as_json=False)
    assert text in capsys.readouterr().out


@hostile
def test_no_way_to_the_terminal_lets_it_through(
    given: str, seen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(given, 0, 1)._replace(
        profile_id=given,
        identifiers=[given],
        attributes={given: json.dumps(given)},
        discounts={given: 1.0},
        cart_items=[{"name": given, "sku": given, "quantity": 1, "price": 1.0}],
        last_event_id=given,
        version=1,
    )
    fields = fields_of(session)
    in_json = json.dumps(given, ensure_ascii=False)
    out().print(line(fields))
    out().print(page(fields))
    emit([{"a": given, "b": [given]}], as_json=False)
    emit_one({given: given}, as_json=False)
    print_text(in_json)
    told = capsys.readouterr().out
    assert told.replace("\n", "").isprintable()
    assert told.count(seen) > 10
    assert told.endswith(f"{printable_json(in_json)}\n")
    # Where a text may have several lines, their ends are left to who makes the text.
    out().print(given)
    out().print(Text(given))
    note(given)
    tell(NotFound(given, hint=given), as_json=False)
    tell(NotFound(given, hint=given), as_json=True)
    assert "".join(capsys.readouterr()).replace("\n", "").isprintable()
