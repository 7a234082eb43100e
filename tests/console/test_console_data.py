"""Sessions, dead letters, replays, topics: what the commands tell, hidden and escaped."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from console.console_client import DATA_PAGES, HERE, client
from fakes.clock import FakeClock
from fakes.console import FakeSource
from starlette.testclient import TestClient

from processor.console.security import Guard
from processor.console.values import HIDDEN, Masking, read
from processor.errors import Forbidden, NotFound, Unavailable

SECRET = "ann@example"  # noqa: S105  what is to be hidden
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[2J\ud800{{7*7}}"


def session(secret: str = SECRET) -> dict[str, Any]:
    return {
        "integrationId": "cart-1",
        "created": "2026-01-01T00:00:00.000Z",
        "applicationId": 1,
        "profileId": secret,
        "coupon": secret,
        "referral": "",
        "state": "closed",
        "cartItems": [{"name": secret, "sku": "s", "quantity": 1, "price": 9.99}] * 70,
        "identifiers": [secret],
        "total": 42.5,
        "attributes": {"email": secret, **{f"{secret}-{each}": each for each in range(70)}},
        "firstSession": True,
        "discounts": {secret: 1.5},
        "previousState": "open",
        "version": 7,
        "updated": "2026-01-02T00:00:00.000Z",
        "lastEventId": "event-7",
        "inputOffset": 99,
        "outputPartition": 3,
    }


def documents(secret: str = SECRET, key: str = "1:cart-1") -> dict[str, Any]:
    """Return what the commands tell, of something secret."""
    listed = {
        "place": "3:17",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "reason": "invalid-value",
        "message": f"total: {secret}",
        "key": key,
        "eventId": "event-8",
        "bytes": 99,
        "source": {"topic": "session-updates", "partition": 3, "offset": 100},
    }
    changes = {"profileId": {"old": "", "new": secret}, "state": {"old": "open", "new": "closed"}}
    step = {
        "kind": "snapshot",
        "partition": 3,
        "offset": 5,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "life": 2,
        "begins": True,
        "version": 7,
        "missing": [1, 6],
        "transition": ["open", "closed"],
        "changed": changes,
        "session": session(secret),
    }
    end = {
        **{name: step[name] for name in ("partition", "offset", "timestamp", "life", "version")},
        "kind": "end",
        "begins": False,
        "missing": None,
        "endedBy": "expire",
        "inputOffset": 8,
        "eventId": "event-9",
    }
    difference = {"live": secret, "replay": f"{secret}!"}
    kinds = {"equal": 5, "changed": 1, "missing": 0, "extra": 0, "compacted": 0}
    return {
        "session": [session(secret)],
        "history": [step, end, {"kind": "read", "whole": False, "from": {"3": 2}}],
        "letters": {
            "letters": [{**listed, "of": "update"}],
            "total": 1,
            "window": 20_000,
            "summary": [
                {"day": "2026-01-01", "reason": "invalid-value", "partition": 3, "letters": 1}
            ],
        },
        "letter": {
            **listed,
            "headers": [{"name": "trace", "value": secret}, {"name": "empty", "value": None}],
            "keyHex": "31",
            "valueHex": secret,
            "format": "avro",
            "text": None,
            "unreadable": None,
            "update": {"eventId": "event-8", "profileId": secret},
            "command": None,
            "session": session(secret),
            "sessionUnknown": None,
        },
        "redrive": {
            "name": "abc",
            "group": "g",
            "dryRun": True,
            "done": False,
            "letters": 12,
            "sent": 0,
            "sentBefore": 0,
            "refused": [],
            "expired": 0,
            "byReason": [{"reason": "invalid-value", "partition": 3, "letters": 12}],
            "skipped": {"attempts": 2},
        },
        "replays": [
            {"name": "again", "created": None, "partitions": 0, "offsets": 0, "left": None}
        ],
        "replay": [{"partition": 0, "start": 0, "at": 5, "end": 10, "left": 5}],
        "difference": {
            "summary": kinds,
            "partitions": [{"partition": 0, **kinds}],
            "byField": {"profileId": 1},
            "different": 1,
            "examples": [
                {
                    "kind": "changed",
                    "partition": 0,
                    "key": key,
                    "inputOffset": 3,
                    "fields": {"profileId": difference},
                }
            ],
        },
        "topics": {"ok": True, "findings": [], "partitioner": None, "told": None},
        "schemas": [{"schema": "S", "against": "a", "direction": "backward", "breaks": ""}],
        "offsets": [
            {
                "partition": 0,
                "committed": 5,
                "start": 0,
                "end": 9,
                "lag": 4,
                "trouble": "absent",
                "message": "there is no offset",
            }
        ],
    }


TWINS = tuple(page.replace("?", ".json?") if "?" in page else f"{page}.json" for page in DATA_PAGES)


def asking(told: dict[str, Any], **more: Any) -> TestClient:
    source = FakeSource()
    source.documents = told
    return client(source, **more)


@pytest.mark.parametrize("page", [*DATA_PAGES, *TWINS])
def test_what_customers_said_is_hidden_unless_it_is_asked_for(page: str) -> None:
    hidden = asking(documents()).get(page)
    assert hidden.status_code == 200, hidden.text
    assert SECRET not in hidden.text
    assert hidden.headers["content-type"].startswith("application/json") == (page in TWINS)
    assert "cart-1" in hidden.text or "replays" in page or "topics" in page
    shown = asking(documents(), masking=Masking(show=True)).get(page).text
    told = SECRET in shown
    assert told == any(part in page for part in ("session", "dead-letters", "diff"))
    fields = "profileId,coupon,cartItems,identifiers,attributes,discounts,message,valueHex,headers"
    masked = Masking(show=True, fields=frozenset(fields.split(",")))
    assert SECRET not in asking(documents(), masking=masked).get(page).text


def test_a_mask_hides_a_field_wherever_it_stands() -> None:
    masking = Masking(show=True, fields=frozenset({"email"}))
    given = {"attributes": {"email": "a", "other": {"email": ["b"], "n": 1}}, "email": ""}
    masked = {"attributes": {"email": HIDDEN, "other": {"email": HIDDEN, "n": 1}}, "email": ""}
    assert masking.of(given) == masked


@pytest.mark.parametrize("page", DATA_PAGES)
def test_whatever_somebody_wrote_is_text_and_fits_a_page(page: str) -> None:
    for value in (HOSTILE, HOSTILE * 99, "\x00" * 9_000):
        told = documents(value, key=value)
        answer = asking(told, masking=Masking(show=True)).get(page)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) <= 100_000
        assert "<script>alert" not in answer.text
        assert not {"\u202e", "\x1b", "\x00"} & {*unescape(answer.text)}
        twin = asking(told, masking=Masking(show=True)).get(page.replace("?", ".json?"))
        assert "<script>" not in twin.headers["content-type"]


@pytest.mark.parametrize("page", DATA_PAGES)
def test_a_page_names_the_command_that_tells_the_same(page: str) -> None:
    text = unescape(asking(documents()).get(page).text)
    assert "<code>session-processor " in text
    assert "as JSON</a>" in text


def test_what_is_typed_comes_back_as_text_and_quoted_for_a_shell() -> None:
    bad = '1:x\'; rm -rf "$HOME" <b>'
    text = asking(documents()).get("/session", params={"key": bad}).text
    assert "<b>" not in text.replace("<body>", "")
    assert """sessions get '1:x'"'"'; rm -rf "$HOME" <b>'""" in unescape(text)
    assert asking(documents()).get("/session", params={"key": "1:" + "x" * 999}).status_code == 400


def test_a_form_is_given_on_as_options() -> None:
    source = FakeSource()
    source.documents = documents()
    page = client(source).get("/dead-letters?reason=undecodable&partition=&from-time=2h&evil=1")
    assert source.asked == ["letters {'reason': 'undecodable', 'from-time': '2h'}"]
    text = page.text
    assert "dead-letters list --reason undecodable --since 2h</code>" in text
    assert "dead-letters summary --reason undecodable --from-time 2h</code>" in text


def test_a_redrive_is_only_tried_and_only_where_actions_are_allowed() -> None:
    path, here = "/dead-letters/redrive", {"Origin": HERE}
    assert asking(documents()).post(path, headers=here).status_code == 405
    assert '<form method="post"' not in asking(documents()).get("/dead-letters").text
    source = FakeSource()
    source.documents = documents()
    acting = client(source, guard=Guard(frozenset({"localhost"}), actions=True))
    assert '<form method="post"' in acting.get("/dead-letters").text
    source.asked.clear()
    answer = acting.post(path, headers=here, data={"reason": "undecodable", "yes": "1"})
    assert source.asked == ["redrive {'reason': 'undecodable'}"]
    assert "12 letters would be sent" in answer.text
    assert "dead-letters redrive --reason undecodable --yes</code>" in answer.text


def test_the_same_page_asks_the_servers_once_in_five_seconds() -> None:
    source, clock = FakeSource(), FakeClock()
    source.documents = documents()
    browser = client(source, clock=clock)
    for _ in range(10):
        browser.get("/dead-letters")
    assert len(source.asked) == 1
    clock.wait(5.0)
    browser.get("/dead-letters")
    assert len(source.asked) == 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound(f"no {HOSTILE}", hint="h"), 404),
        (Unavailable("Kafka did not answer", hint="is it running?"), 503),
        (Forbidden("READ on topic x", hint="h"), 502),
        (RuntimeError("a defect"), 500),
    ],
)
def test_an_error_is_a_page_that_says_what_to_do(error: Exception, status: int) -> None:
    told = documents() | {"letter": error}
    page = asking(told).get("/dead-letters/3:17")
    assert page.status_code == status
    assert "<script>alert" not in page.text
    assert "Traceback" not in page.text


def test_a_session_that_is_not_there_may_have_a_history() -> None:
    page = asking(documents() | {"session": NotFound("there is no session")}).get(
        "/session?key=1:a"
    )
    assert page.status_code == 200
    assert "there is no session" in page.text
    assert "/session/history?key=1%3Aa" in page.text


def test_a_number_of_a_document_loses_nothing() -> None:
    digits = "9" * 5000
    text = f'{{"a": {digits}, "b": 1e999, "c": 1.5, "d": 7}}'
    assert read(text) == {"a": digits, "b": "1e999", "c": 1.5, "d": 7}
    assert json.loads(json.dumps(read(text)))
