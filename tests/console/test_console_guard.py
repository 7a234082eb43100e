"""Who may ask the console, from where, and what a browser may do with its pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from console.console_client import HERE, client
from fakes.console import FakeSource, status
from structlog.testing import capture_logs

from processor.console.security import Guard
from processor.console.serving import listening, names_of, users_of
from processor.errors import ConfigError

if TYPE_CHECKING:
    from httpx2 import Response

NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PAGES = ("/", "/partitions", "/incidents")


def refused(response: Response, code: int, *, told: str) -> None:
    assert (response.status_code, told in response.text) == (code, True), response.text
    assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", [*PAGES, "/overview.json", "/static/console.css", "/nowhere"])
def test_a_browser_may_neither_frame_a_page_nor_run_anything_of_it(path: str) -> None:
    response = client(FakeSource(status())).get(path)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert not {"Server", "Access-Control-Allow-Origin"} & {*response.headers}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_inline_and_asks_nobody_else(path: str) -> None:
    text = client(FakeSource(status())).get(path).text
    assert not re.search(r"<script(?! src=\"/)|<style| style=| on\w+=|javascript:", text)
    assert not re.search(r"(src|href)=\"(?!/|#)", text)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:1", True),
        ("LOCALHOST", True),
        ("127.0.0.1:9465", True),
        ("[::1]:9465", True),
        ("rebound.example", False),
        ("localhost.rebound.example", False),
        ("127.0.0.1.rebound.example:9465", False),
        ("", False),
    ],
)
def test_another_name_of_this_address_is_not_answered(host: str, *, known: bool) -> None:
    source = FakeSource(status())
    response = client(source, guard=Guard(NAMES)).get("/", headers={"Host": host})
    if known:
        assert response.status_code == 200
        return
    refused(response, 421, told="--allow-host")
    assert source.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_the_console_only_shows_unless_it_is_told_to_act(method: str) -> None:
    response = client(FakeSource(status())).request(method, "/", headers={"Origin": HERE})
    refused(response, 405, told="--allow-actions")
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 405),  # passed; the overview does not act
        ({"Origin": HERE}, 405),
        ({"Sec-Fetch-Site": "same-origin", "Origin": HERE}, 405),
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "http://rebound.example"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://rebound.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": HERE}, 403),
        ({"Host": "rebound.example", "Origin": "http://rebound.example"}, 421),
    ],
)
def test_a_page_of_another_site_has_nothing_done(headers: dict[str, str], code: int) -> None:
    guard = Guard(NAMES, actions=True)
    with capture_logs() as logs:
        response = client(FakeSource(status()), guard=guard).post("/", headers=headers)
    assert response.status_code == code
    assert [each["who"] for each in logs if each["event"] == "console asked to act"] == (
        ["somebody at testclient"] if code == 405 else []
    )


def test_a_body_that_is_too_large_or_untold_is_refused() -> None:
    asking = client(FakeSource(status()), guard=Guard(NAMES, actions=True))
    headers = {"Sec-Fetch-Site": "same-origin"}
    refused(asking.post("/", content=b"x" * 20_000, headers=headers), 413, told="16,384")
    refused(asking.post("/", content=iter([b"x"]), headers=headers), 413, told="16,384")


def test_a_user_is_asked_for_a_password_and_named_in_the_log() -> None:
    guard = Guard(NAMES, {"ann": "pass:word"}, actions=True)
    asking = client(FakeSource(status()), guard=guard)
    for wrong in (None, ("ann", "word"), ("bob", ""), ("bob", "pass:word"), ("", "")):
        response = asking.get("/", auth=wrong)
        refused(response, 401, told="password")
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
    for wrong_header in ("Basic", "Basic %%%", "Bearer YW5uOnBhc3M6d29yZA==", "Basic /w=="):
        refused(asking.get("/", headers={"Authorization": wrong_header}), 401, told="password")
    assert asking.get("/", auth=("ann", "pass:word")).status_code == 200
    with capture_logs() as logs:
        asking.post("/", auth=("ann", "pass:word"), headers={"Origin": HERE})
    assert [each["who"] for each in logs] == ["ann"]


@pytest.mark.parametrize("proxied", [True, False])
def test_a_proxy_names_who_acts_where_there_is_one(*, proxied: bool) -> None:
    guard = Guard(NAMES, behind_proxy=proxied, actions=True)
    headers = {"Origin": HERE, "X-Forwarded-User": "ann"}
    with capture_logs() as logs:
        client(FakeSource(status()), guard=guard).post("/", headers=headers)
    assert [each["who"] for each in logs] == ["ann" if proxied else "somebody at testclient"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "node-7"])  # noqa: S104  refused
def test_others_are_answered_only_where_somebody_asks_who_they_are(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        users_of(host, None, behind_proxy=False)
    assert "--password-file" in caught.value.hint
    for local in ("127.0.0.1", "::1", "localhost"):
        assert users_of(local, None, behind_proxy=False) == {}


def test_an_address_without_a_name_needs_one() -> None:
    with pytest.raises(ConfigError) as caught:
        names_of("::", [])
    assert "--allow-host" in caught.value.hint
    assert "console.example" in names_of("::", ["Console.example"])
    assert {"10.0.0.7", "localhost"} < names_of("10.0.0.7", [])


@pytest.mark.parametrize("text", ["", "\n", "secret", "ann:", ":secret", "ann:a\nsecret"])
def test_a_bad_password_file_is_refused_without_its_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "passwords"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        users_of("::", file, behind_proxy=False)
    assert "secret" not in caught.value.message + caught.value.hint
    assert str(file) in caught.value.message
    with pytest.raises(ConfigError, match="No such file"):
        users_of("::", tmp_path / "none", behind_proxy=False)
    file.write_text("ann:pass:word\n\nbob:x\n")
    assert users_of("::", file, behind_proxy=False) == {"ann": "pass:word", "bob": "x"}


def test_a_port_that_is_taken_is_refused() -> None:
    with listening("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(ConfigError, match="cannot listen"):
            listening("127.0.0.1", first.getsockname()[1])
