"""Is it well; if not, what to run."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from console.console_client import client
from fakes.clock import FakeClock
from fakes.console import HALTED, FakeSource, incident, partition, status

from processor.console.verdict import LATE_S

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[2J\ud800{{7*7}}"


def told(source: FakeSource) -> dict[str, Any]:
    return dict(client(source).get("/overview.json").json())


def commands(document: dict[str, Any]) -> list[str]:
    return [each["command"] for trouble in document["troubles"] for each in trouble["advice"]]


def test_a_deployment_that_is_well_says_so() -> None:
    source = FakeSource(status(partition(0)), status(partition(1)), partitions=2)
    assert told(source)["well"]
    assert "It is well." in client(source).get("/").text


def test_a_halted_partition_and_what_mends_it_are_two_clicks_from_the_start() -> None:
    reasons = {"dead letters of partition 1": HALTED}
    halted = partition(1, phase="halted", reason=HALTED)
    source = FakeSource(status(partition(0), halted, ready=False, reasons=reasons), partitions=2)
    (trouble,) = told(source)["troubles"]
    assert (trouble["severity"], trouble["partition"], trouble["what"]) == ("error", 1, HALTED)
    asking = client(source)
    assert '<a href="/partitions/1">partition 1</a>' in asking.get("/").text
    assert asking.get("/partitions.json").json()["partitions"][0]["partition"] == 1
    page = asking.get("/partitions/1").text
    for command in (
        "session-processor dead-letters summary --partition 1",
        "session-processor run",
        "session-processor dead-letters redrive --partition 1 --yes",
    ):
        assert f"<code>{command}</code>" in page
        assert command in commands(told(source))


@pytest.mark.parametrize(
    ("source", "severity", "command"),
    [
        (FakeSource(), "error", "session-processor run"),
        (FakeSource(None), "error", "curl -s http://node-0:9464/status"),
        (FakeSource(status(live=False)), "error", "curl -s http://node-0:9464/livez"),
        (FakeSource(status(ready=False, reasons={"kafka": "is away"})), "error", "curl -s"),
        (FakeSource(status(warnings={"redis": "is away"})), "warning", "curl -s"),
        (FakeSource(status(partition(0)), partitions=2), "warning", "offsets show"),
        (FakeSource(status(partition(0, lagSeconds=LATE_S + 1))), "warning", "run"),
        (FakeSource(status(partition(0, phase="stalled"))), "error", "offsets show --partition 0"),
        (FakeSource(status(partition(0, phase="damaged"))), "error", "offsets show --partition 0"),
        (FakeSource(status(partition(0, phase="taking over"))), "warning", ""),
        (FakeSource(status(partition(0, phase="restoring"))), "warning", ""),
        (
            FakeSource(status(partition(0, phase="waiting for a schema"))),
            "error",
            "session-processor schemas register",
        ),
    ],
)
def test_what_is_not_well_is_told_with_what_to_run(
    source: FakeSource, severity: str, command: str
) -> None:
    document = told(source)
    assert not document["well"]
    assert [each["severity"] for each in document["troubles"]] == [severity]
    assert any(command in each for each in commands(document))


def test_a_redis_that_is_away_hides_no_process() -> None:
    source = FakeSource(status(partition(0)))
    source.fault = "Redis does not tell who is there"
    document = told(source)
    assert [each["what"] for each in document["troubles"]] == [source.fault]
    assert document["processes"][0]["answers"]


def test_ten_open_pages_ask_once_a_second() -> None:
    source, clock = FakeSource(status(partition(0))), FakeClock()
    asking = client(source, clock=clock)
    for _ in range(10):
        for path in ("/", "/partitions", "/partitions/0", "/incidents", "/overview.json"):
            assert asking.get(path).status_code == 200
    assert source.asked == ["deployment", "http://node-0:9464"]
    clock.wait(1.0)
    asking.get("/")
    assert len(source.asked) == 4


def test_the_lag_is_drawn_as_it_was_seen() -> None:
    source, clock = FakeSource(status(partition(0, lagRecords=0))), FakeClock()
    asking = client(source, clock=clock)
    for lag in range(40):
        source.statuses["http://node-0:9464"] = status(partition(0, lagRecords=lag))
        page = asking.get("/partitions")
        clock.wait(5.0)
    assert asking.get("/partitions.json").json()["partitions"][0]["lags"][-1] == 39
    assert 'aria-label="lag from 10 to 39, at most 39"' in page.text
    source.statuses["http://node-0:9464"] = status()
    clock.wait(5.0)
    assert asking.get("/partitions.json").json()["partitions"] == []


def test_a_thousand_partitions_make_pages_that_stay_small() -> None:
    reason = f"{HOSTILE} " * 20
    many = [partition(each, phase="halted", reason=reason, lagRecords=10**9) for each in range(999)]
    seen = [incident(reason, why=reason, partitions=[*range(999)]) for _ in range(200)]
    source, clock = FakeSource(status(*many, incidents=seen), partitions=1000), FakeClock()
    asking = client(source, clock=clock)
    for _ in range(30):
        asking.get("/partitions")
        clock.wait(5.0)
    for path in ("/", "/partitions", "/partitions?page=25", "/partitions/998", "/incidents"):
        assert len(asking.get(path).content) <= 100_000, path
    assert "Page 25 of 25" in asking.get("/partitions?page=99999").text
    assert "Page 1 of 25" in asking.get("/partitions?page=-1").text


def test_whatever_a_process_says_is_text() -> None:
    bad = status(
        partition(0, phase="halted", reason=HOSTILE, deadLetters={HOSTILE: 1}),
        reasons={HOSTILE: HOSTILE},
        warnings={HOSTILE: HOSTILE},
        incidents=[incident(HOSTILE, **{HOSTILE: HOSTILE})],
    )
    bad["process"]["member"] = bad["process"]["version"] = HOSTILE
    asking = client(FakeSource(bad))
    for path in ("/", "/partitions", "/partitions/0", "/incidents"):
        page = asking.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert not {"\u202e", "\x1b"} & {*unescape(page.text)}
        assert path == "/partitions" or "<script>alert(1)</script>" in unescape(page.text)
    assert asking.get("/incidents.json").json()["incidents"][0]["what"] == HOSTILE


@pytest.mark.parametrize("path", ["/nowhere", "/partitions/7", "/partitions/x", "/static/../x"])
def test_what_is_not_there_is_said_on_a_page(path: str) -> None:
    page = client(FakeSource(status())).get(path)
    assert page.status_code == 404
    assert 'class="error headline"' in page.text


def test_a_twin_tells_an_error_as_a_command_does() -> None:
    answer = client(FakeSource(status())).get("/partitions/7.json")
    assert answer.status_code == 404
    assert {*answer.json()} == {"error", "message", "hint"}
    assert answer.json()["error"] == "NotFound"


def test_a_defect_is_told_without_its_traceback() -> None:
    source = FakeSource({"schema": 1})
    page = client(source).get("/")
    assert page.status_code == 500
    assert "Traceback" not in page.text
    assert "Content-Security-Policy" in page.headers
    assert json.dumps(HOSTILE)
