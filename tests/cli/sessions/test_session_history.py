"""`sessions history`, on what the real service made of a session with two lives."""

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from confluent_kafka import Producer
from golden import encoded, item, update
from session_commands import erase, expire
from system.deployment import Deployment

from processor.cli.main import main
from processor.demo.traffic import DemoUpdate

KEY = b"1:a"
MONDAY = 1_741_003_200_000
"""2025-03-03T12:00:00Z, the time of the first record; each is a day after the one before it."""
DAY = 86_400_000


def produced() -> Iterator[DemoUpdate]:
    """Yield what is sent: two lives in partition 2, and a session of the same key in partition 0.

    Event times are of another year: they decide nothing.
    """
    times = count(MONDAY, DAY)

    def sent(value: bytes, partition: int = 2) -> DemoUpdate:
        return DemoUpdate(KEY, value, (), next(times), partition)

    yield sent(encoded(update(0, "a", coupon="TEN\x1b[2J")))
    yield sent(encoded(update(1, "a", cartItems=[item()], attributes={"vip": "1e999"})))
    yield sent(encoded(update(2, "a", state="closed")))
    yield sent(expire(KEY, 2, "closed"))
    yield sent(encoded(update(3, "a")))
    yield sent(erase(KEY))
    yield sent(encoded(update(4, "a", referral="r")), partition=0)


@pytest.fixture
def processed(deployment: Deployment) -> Deployment:
    deployment.produce(produced())
    run = deployment.run("--until-end")
    assert run.wait(180) == 0, run.log
    # What no processor writes: a tombstone of a stranger, and one under nobody's key.
    producer = Producer({"bootstrap.servers": deployment.bootstrap})
    for key in (b"0:", KEY):
        producer.produce(deployment.names.sessions, None, key, 2, timestamp=MONDAY + 9 * DAY)
    assert producer.flush(10) == 0
    return deployment


def told(deployment: Deployment, *arguments: str, code: int = 0) -> tuple[str, str]:
    done = deployment.command("sessions", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_session_s_history_is_told_whole_and_at_a_time(processed: Deployment) -> None:
    people, notes = told(processed, "history", "1:a")
    assert re.sub(r"(?<=Z)  ([0-9]):[0-9]+", r" \1", people).splitlines() == [
        "partition 0",
        "2025-03-09T12:00:00.000Z 0  v1  open  event e-4 of 2026-01-01T12:00:04.000Z",
        "    referral: none → r",
        "partition 2",
        "2025-03-03T12:00:00.000Z 2  v1  open  event e-0 of 2026-01-01T12:00:00.000Z",
        "    coupon: none → TEN\\x1b[2J",
        "2025-03-04T12:00:00.000Z 2  v2  open  event e-1 of 2026-01-01T12:00:01.000Z",
        "    cart + 1 × Mug (MUG) at 9.5",
        "    total: 0 → 9.5",
        "    attributes vip: none → 1e999",
        "2025-03-05T12:00:00.000Z 2  v3  open → closed  event e-2 of 2026-01-01T12:00:02.000Z",
        "2025-03-06T12:00:00.000Z 2  v3  ended by expire  event expire of a",
        "a further life begins",
        "2025-03-07T12:00:00.000Z 2  v1  open  event e-3 of 2026-01-01T12:00:03.000Z",
        "2025-03-08T12:00:00.000Z 2  v1  ended by erase  event erase of a",
        "2025-03-12T12:00:00.000Z 2  a tombstone that the processor did not write",
    ]
    assert "in 2 partitions" in notes
    programs, _ = told(processed, "history", "1:a", "--json")
    assert '"vip": 1e999' in programs
    *records, read = lines(programs)
    assert [(each["kind"], each["life"], each["version"]) for each in records] == [
        *(("snapshot", 1, version) for version in (1, 1, 2, 3)),
        *(("end", 1, 3), ("snapshot", 2, 1), ("end", 2, 1), ("tombstone", 2, None)),
    ]
    assert records[3]["transition"] == ["open", "closed"]
    assert records[2]["changed"]["total"] == {"old": 0.0, "new": 9.5}
    assert read == {"kind": "read", "whole": True, "from": {str(each): 0 for each in range(4)}}
    _at_a_time(processed)
    watched, _ = told(processed, "watch", "--from-beginning", "--limit", "8", "--json")
    assert sorted(each.get("endedBy") or "" for each in lines(watched) if "deleted" in each) == [
        *("", "erase", "expire"),
    ]
    assert {each["key"] for each in lines(watched) if "deleted" in each} == {"1:a"}
    stands = ("partition", "offset"), ("outputPartition", "outputOffset")
    places = (
        [tuple(map(each.get, stands[0])) for each in records],
        [tuple(map(each.get, stands[1])) for each in lines(watched)],
    )
    assert sorted(places[0]) == sorted(places[1])
    _not_there(processed)


def _at_a_time(processed: Deployment) -> None:
    """See a session as of the time of its records, not of its events."""
    at = ("history", "1:a", "--as-of")
    page, _ = told(processed, *at, "2025-03-05T11:59:59.999Z")
    assert page.startswith("partition 2, as of 2025-03-05T11:59:59.999Z\n2025-03-04T12:00:00.000Z")
    assert "TEN\\x1b[2J" in page
    gone, _ = lines(told(processed, *at, str(MONDAY + 3 * DAY), "--json")[0])
    assert (gone["kind"], gone["endedBy"], gone["version"]) == ("end", "expire", 3)
    assert (gone["asOf"], gone["doubt"]) == ("2025-03-06T12:00:00.000Z", None)
    _, error = told(processed, *at, "2025-03-02T00:00:00Z", code=9)
    assert "no record until 2025-03-02T00:00:00.000Z; the first that there is, a version 1" in error
    assert "of 2025-03-03T12:00:00.000Z" in error


def _not_there(processed: Deployment) -> None:
    _, error = told(processed, "history", "1:nobody\x1b[2J", code=9)
    assert "no record of session 1:nobody\\x1b[2J" in error
    producer = Producer({"bootstrap.servers": processed.bootstrap})
    producer.produce(processed.names.sessions, b"\xff", b"1:strange", 3)
    assert producer.flush(10) == 0
    _, error = told(processed, "history", "1:strange", code=5)
    assert f"{processed.names.sessions} partition 3 at 0: a snapshot cannot be read" in error
    away = ("--bootstrap-servers", "127.0.0.1:1")
    assert "PROCESSOR_BOOTSTRAP_SERVERS" in told(processed, "history", "1:a", *away, code=6)[1]


@pytest.mark.parametrize(
    "key", ["nobody", "0:a", ":a", "1:", "01:a", "-1:a", "\u0661:a", "2147483648:a"]
)
def test_what_is_no_key_is_refused(capsys: pytest.CaptureFixture[str], key: str) -> None:
    assert main(["sessions", "history", "--", key]) == 8
    assert "is no session's key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("time", "why"),
    [
        ("tuesday", "is no time"),
        ("2026-03-03T12:00:00", "has no zone"),
        ("9999-01-01T00:00:00Z", "is in the future"),
        ("1772452800", "if these are seconds"),
        ("1960-01-01T00:00:00Z", "before 1970"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(
    capsys: pytest.CaptureFixture[str], time: str, why: str
) -> None:
    assert main(["sessions", "history", "1:a", "--as-of", time]) == 8
    assert why in capsys.readouterr().err
