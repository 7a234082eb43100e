"""What `sessions get --document` prints decodes into the document's own types, strictly read."""

import json
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from readers.test_examples import copied, needs, run
from values import an_item

from processor.cli.main import main
from processor.cli.sessions import commands
from processor.cli.sessions.lives import fields_of
from processor.core.session import Session

TYPES = Path(__file__).parent / "document"
BARE = an_item()
WHOLE = an_item(
    category="",
    weight=0.0,
    height=1.5,
    width=2.5,
    length=3.5,
    position=-1.0,
    attributes={"gift": "true", "to": '{"name": "Ann"}'},
)
SESSIONS = (
    Session("a", 0, 1),
    Session(
        integration_id="é\u2028<b>",
        created=1772366400500,
        application_id=2**31 - 1,
        state="closed",
        cart_items=[BARE, WHOLE],
        identifiers=["x", "y"],
        total=16_777_217.0,
        attributes={"vip": " true ", "n": "null", "l": "[1, [2.5]]"},
        first_session=False,
        discounts={"created": -0.0, "two": 1e300},
        input_offset=2**53 + 1,
        event_memory=b"12345678",
    ),
)


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command prints of the sessions, a line each."""
    told = dict(enumerate(map(fields_of, SESSIONS)))
    monkeypatch.setattr(commands, "look_up", lambda *_: told)
    assert main(["sessions", "get", "1:a", "--document"]) == 0
    return capsys.readouterr().out


@needs("go")
def test_the_document_decodes_into_its_go_type(documents: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["go", "run", "."],
        cwd=copied(TYPES, tmp_path),
        input=documents,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line, read in zip(documents.splitlines(), done.stdout.splitlines(), strict=True):
        given, found = json.loads(line), json.loads(read)
        times = [datetime.fromisoformat(each.pop("created")) for each in (given, found)]
        assert times[0] == times[1]
        assert found == given


@needs("node", "npm")
def test_the_document_has_its_typescript_type(documents: str, tmp_path: Path) -> None:
    where = copied(TYPES, tmp_path)
    first, *_ = lines = documents.splitlines()
    wrong = (
        first.replace('"1970-01-01T00:00:00.000Z"', "0"),
        first[:-1] + ', "version": 1}',
        first.replace('"coupon": "", ', ""),
    )
    checked = [f"export const sessions: CustomerSession[] = [{', '.join(lines)}];"]
    for number, text in enumerate(wrong):
        assert text != first
        checked += ["// @ts-expect-error", f"export const wrong{number}: CustomerSession = {text};"]
    (where / "check.ts").write_text(
        "\n".join(['import type { CustomerSession } from "./session";', *checked])
    )
    run(["npm", "install", "--silent", "--no-save", "--no-package-lock", "typescript@5"], where)
    tsc = ["node", "node_modules/typescript/bin/tsc", "--strict", "--noEmit", "--skipLibCheck"]
    run([*tsc, "check.ts"], where)
