"""`sessions` and `dead-letters`, on what the real service made of a few updates."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import oracle
import pytest
from confluent_kafka import Producer
from system.deployment import Deployment
from system.process import Process

LINES = (
    (
        '{"applicationId": 1, "integrationId": "a", "eventId": "e1", "eventTime": 1772366400500,'
        ' "attributes": {"huge": 1e999, "o": {"k": [1,  2]}}, "profileId": "p"}'
    ),
    (
        '{"applicationId": 1, "integrationId": "a", "eventId": "e2", "eventTime": 1772366401000,'
        ' "state": "closed"}'
    ),
    (
        '{"applicationId": 1, "integrationId": "a", "eventId": "e3", "coupon": "LATE",'
        ' "attributes": {"huge": 1e999}}'
    ),
    '{"applicationId": 2, "integrationId": "b", "eventId": "e4", "total": 3}',
)
SESSION = tuple(
    field["name"] for field in oracle.SESSION["fields"] if field["name"] != "eventMemory"
)


@pytest.fixture
def processed(deployment: Deployment) -> Deployment:
    """A deployment that has processed the lines, and bytes that are no update."""
    subprocess.run(
        [sys.executable, "-m", "processor", "produce", "-"],
        env=deployment.environment,
        input="\n".join(LINES),
        text=True,
        capture_output=True,
        check=True,
    )
    producer = Producer({"bootstrap.servers": deployment.bootstrap})
    producer.produce(deployment.names.updates, b"\xff\x00", key=b"\xfe", partition=3)
    assert producer.flush(10) == 0
    run = deployment.run("--until-end")
    assert run.wait(180) == 0, run.log
    return deployment


def lines(text: str) -> list[dict[str, Any]]:
    """Parse JSON lines; a number that no double holds is infinite."""
    return [json.loads(line) for line in text.splitlines()]


def test_a_session_is_read_from_redis(processed: Deployment) -> None:
    found = processed.command("sessions", "get", "1:a", "--json")
    assert found.returncode == 0, found.stderr
    [session] = lines(found.stdout)
    assert tuple(session) == (*SESSION, "outputPartition")
    alone = processed.command("sessions", "get", "1:a", "--document")
    assert tuple(*map(json.loads, alone.stdout.splitlines())) == SESSION[:13]
    assert '"huge": 1e999' in found.stdout
    assert session["attributes"]["o"] == {"k": [1, 2]}
    assert (session["created"], session["updated"]) == (
        "2026-03-01T12:00:00.500Z",
        "2026-03-01T12:00:01.000Z",
    )
    assert (session["state"], session["previousState"]) == ("closed", "open")
    assert (session["version"], session["lastEventId"]) == (2, "e2")
    people = processed.command("sessions", "get", "1:a").stdout
    assert "2026-03-01T12:00:00.500Z" in people
    assert "open → closed" in people


def test_a_session_that_is_not_there_is_not_found(processed: Deployment) -> None:
    assert processed.command("sessions", "get", "1:nobody").returncode == 9
    assert processed.command("sessions", "get", "nobody").returncode == 8
    elsewhere = processed.command("sessions", "get", "1:a", "--redis-prefix", "never-used")
    assert elsewhere.returncode == 9
    assert "PROCESSOR_REDIS_PREFIX" in elsewhere.stderr
    away = processed.command("sessions", "get", "1:a", "--redis-url", "redis://127.0.0.1:1/0")
    assert away.returncode == 6
    assert "Traceback" not in away.stderr


def test_the_output_is_watched_from_its_beginning(processed: Deployment) -> None:
    seen = processed.command("sessions", "watch", "--from-beginning", "--limit", "3", "--json")
    assert seen.returncode == 0, seen.stderr
    assert {tuple(each) for each in lines(seen.stdout)} == {
        (*SESSION, "outputPartition", "outputOffset")
    }
    versions = [(each["lastEventId"], each["version"]) for each in lines(seen.stdout)]
    assert sorted(versions) == [("e1", 1), ("e2", 2), ("e4", 1)]
    one = processed.command("sessions", "watch", "--from-beginning", "--limit", "1", "--key", "2:b")
    assert "2:b  v1  open" in one.stdout


@pytest.mark.parametrize("as_json", [True, False])
def test_watching_begins_now_and_ends_with_ctrl_c(processed: Deployment, *, as_json: bool) -> None:
    watch = watching(processed, *(["--json"] if as_json else []))
    if not as_json:
        watch.await_log("watching")
    given = '{"applicationId": 2, "integrationId": "b", "eventId": "%d"}'
    for number in range(40):  # until it has begun to watch, which --json does not tell
        produced = subprocess.run(
            [sys.executable, "-m", "processor", "produce", "-"],
            env=processed.environment,
            input=given % number,
            text=True,
            capture_output=True,
            check=False,
        )
        assert produced.returncode == 0, produced.stderr
        assert processed.run("--until-end").wait(180) == 0
        if '"lastEventId"' in watch.log or "2:b" in watch.log:
            break
    else:
        pytest.fail(f"nothing was seen: {watch.log}")
    watch.signal(signal.SIGINT)
    assert watch.wait(10) == 0, watch.log
    assert "Traceback" not in watch.log
    assert "1:a" not in watch.log


def watching(deployment: Deployment, *arguments: str) -> Process:
    command = [sys.executable, "-m", "processor", "sessions", "watch", *arguments]
    return deployment._start(command, {})


def test_dead_letters_are_listed(processed: Deployment) -> None:
    listed = lines(processed.command("dead-letters", "list", "--json").stdout)
    by_reason = {each["reason"]: each for each in listed}
    assert set(by_reason) == {"session-not-open", "undecodable"}
    assert by_reason["session-not-open"]["key"] == "1:a"
    assert by_reason["undecodable"]["source"] == {
        "topic": processed.names.updates,
        "partition": 3,
        "offset": by_reason["undecodable"]["source"]["offset"],
    }
    assert by_reason["session-not-open"]["eventId"] == "e3"
    assert by_reason["undecodable"]["eventId"] is None
    late = ("--key", "1:a", "--event-id", "e3", "--event-id", "e0", "--since", "2h", "--json")
    found = processed.command("dead-letters", "list", *late)
    assert lines(found.stdout) == [by_reason["session-not-open"]]
    other = ("--event-id", "e0", "--json")
    assert processed.command("dead-letters", "list", *other).stdout == ""
    only = processed.command("dead-letters", "list", "--reason", "undecodable", "--json")
    assert lines(only.stdout) == [by_reason["undecodable"]]
    there = processed.command("dead-letters", "list", "--partition", "3", "--limit", "1", "--json")
    assert len(lines(there.stdout)) == 1
    assert processed.command("dead-letters", "list", "--partition", "4").returncode == 9
    people = processed.command("dead-letters", "list").stdout
    assert "session-not-open" in people
    assert by_reason["undecodable"]["place"] in people


def test_a_dead_letter_is_shown(processed: Deployment) -> None:
    listed = lines(processed.command("dead-letters", "list", "--json").stdout)
    places = {each["reason"]: each["place"] for each in listed}

    shown = processed.command("dead-letters", "show", places["session-not-open"], "--json")
    [letter] = lines(shown.stdout)
    assert letter["update"]["coupon"] == "LATE"
    assert '"huge": 1e999' in shown.stdout
    headers = {each["name"]: each["value"] for each in letter["headers"]}
    assert headers["__streams.errors.exception"] == "session-not-open"
    assert letter["unreadable"] is None

    people = processed.command("dead-letters", "show", places["session-not-open"]).stdout
    assert 'coupon: "LATE"' in people
    assert "__streams.errors.offset" in people

    [hostile] = lines(
        processed.command("dead-letters", "show", places["undecodable"], "--json").stdout
    )
    assert (hostile["valueHex"], hostile["keyHex"], hostile["update"]) == ("ff00", "fe", None)
    assert hostile["unreadable"]
    people = processed.command("dead-letters", "show", places["undecodable"]).stdout
    assert "cannot be read" in people
    assert "ff00" in people

    assert processed.command("dead-letters", "show", "0:999").returncode == 9
    assert processed.command("dead-letters", "show", "99:0").returncode == 9
    assert processed.command("dead-letters", "show", "first").returncode == 8


def test_a_dead_letter_tells_its_session(processed: Deployment) -> None:
    listed = lines(processed.command("dead-letters", "list", "--json").stdout)
    places = {each["reason"]: each["place"] for each in listed}
    at = places["session-not-open"]
    [letter] = lines(processed.command("dead-letters", "show", at, "--json").stdout)
    assert (letter["session"]["state"], letter["session"]["version"]) == ("closed", 2)
    assert letter["sessionUnknown"] is None
    people = processed.command("dead-letters", "show", at).stdout
    assert "The session now:" in people
    assert "open → closed" in people

    at = places["undecodable"]
    [letter] = lines(processed.command("dead-letters", "show", at, "--json").stdout)
    assert (letter["session"], "UTF-8" in letter["sessionUnknown"]) == (None, True)
    assert "not known" in processed.command("dead-letters", "show", at).stdout


def test_a_dead_letter_is_shown_without_a_session_or_redis(processed: Deployment) -> None:
    producer = Producer({"bootstrap.servers": processed.bootstrap})
    producer.produce(processed.names.updates, b"no update", key=b"1:nobody", partition=3)
    assert producer.flush(10) == 0
    assert processed.run("--until-end").wait(180) == 0
    [listed] = [
        each
        for each in lines(processed.command("dead-letters", "list", "--json").stdout)
        if each["key"] == "1:nobody"
    ]
    shown = processed.command("dead-letters", "show", listed["place"], "--json")
    [letter] = lines(shown.stdout)
    assert (letter["session"], letter["sessionUnknown"]) == (None, None)
    people = processed.command("dead-letters", "show", listed["place"]).stdout
    assert people.rstrip().endswith("The session now:\nnone")

    away = ("--redis-url", "redis://127.0.0.1:1/0")
    shown = processed.command("dead-letters", "show", listed["place"], "--json", *away)
    assert shown.returncode == 0, shown.stderr
    [letter] = lines(shown.stdout)
    assert "Redis did not answer" in letter["sessionUnknown"]


def test_dead_letters_are_summarised(processed: Deployment) -> None:
    listed = lines(processed.command("dead-letters", "list", "--json").stdout)
    summary = lines(processed.command("dead-letters", "summary", "--json").stdout)
    assert sum(each["letters"] for each in summary) == len(listed)
    for each in summary:
        [letter] = [one for one in listed if one["reason"] == each["reason"]]
        assert each["partition"] == letter["source"]["partition"]
        assert each["first"] == each["last"] == letter["timestamp"]
        assert len(each["day"]) == len("2026-03-01")
    only = processed.command(
        "dead-letters", "summary", "--by", "hour", "--reason", "undecodable", "--json"
    )
    [row] = lines(only.stdout)
    assert row["hour"].endswith("Z")
    assert processed.command("dead-letters", "summary", "--from-time", "0s", "--json").stdout == ""
    people = processed.command("dead-letters", "summary").stdout
    assert "session-not-open" in people


def test_dead_letters_are_exported_into_a_new_file(processed: Deployment, tmp_path: Path) -> None:
    directory = tmp_path / "exports"
    directory.mkdir()
    file = directory / "letters.jsonl"
    done = processed.command("dead-letters", "export", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"letters": 2, "file": str(file)}
    exported = lines(file.read_text())
    assert {each["reason"] for each in exported} == {"session-not-open", "undecodable"}
    assert [each for each in exported if each["valueHex"] == "ff00"]
    again = processed.command("dead-letters", "export", str(file))
    assert again.returncode == 8
    assert "exists" in again.stderr
    assert list(directory.iterdir()) == [file]
    piped = processed.command("dead-letters", "export", "-", "--reason", "undecodable")
    assert [each["reason"] for each in lines(piped.stdout)] == ["undecodable"]
    nowhere = processed.command("dead-letters", "export", str(directory / "no" / "file"))
    assert nowhere.returncode == 8
    assert "Traceback" not in nowhere.stderr


_EVENT = [("ce_specversion", b"1.0"), ("ce_time", b"2026-03-01T12:00:00Z"), ("ce_id", b"e5")]
_JSON = {
    b"3:event": (b'{"applicationId":3,"integrationId":"event","coupon":"\xc3\xa9"}', _EVENT),
    b"4:twice": (b'{"total":1,"total":2}', [("content-type", b"application/json")]),
}


def test_json_that_came_too_early_shows_as_what_it_is_and_comes_in_by_a_redrive(
    deployment: Deployment,
) -> None:
    producer = Producer({"bootstrap.servers": deployment.bootstrap})
    for key, (value, headers) in _JSON.items():
        producer.produce(deployment.names.updates, value, key, headers=headers, partition=0)  # type: ignore[arg-type]
    assert producer.flush(10) == 0
    assert deployment.run("--until-end").wait(180) == 0
    listed = lines(deployment.command("dead-letters", "list", "--json").stdout)
    assert all("PROCESSOR_INPUT_FORMATS" in each["message"] for each in listed)
    by_key = {each["key"]: each["place"] for each in listed}
    [event] = lines(deployment.command("dead-letters", "show", by_key["3:event"], "--json").stdout)
    assert (event["format"], event["text"]) == ("cloudevents", _JSON[b"3:event"][0].decode())
    assert (event["update"]["eventId"], event["update"]["coupon"]) == ("e5", "é")
    people = deployment.command("dead-letters", "show", by_key["3:event"]).stdout
    assert "The update, as a CloudEvent in JSON:" in people
    twice = deployment.command("dead-letters", "show", by_key["4:twice"]).stdout
    assert 'has "total" twice' in twice
    assert 'Its text:\n{"total":1,"total":2}' in twice

    deployment.environment["PROCESSOR_INPUT_FORMATS"] = "avro,json,cloudevents"
    redriven = deployment.command("dead-letters", "redrive", "--yes", "--json")
    assert redriven.returncode == 0, redriven.stderr
    assert deployment.run("--until-end").wait(180) == 0
    first, second, *again = deployment.read(deployment.names.updates)[0]
    for former, later in zip((first, second), again, strict=True):
        assert later[2:4] == former[2:4]
        assert later.headers == (*former.headers, ("session-processor.attempt", b"2"))
    found = deployment.command("sessions", "get", "3:event", "--json")
    assert lines(found.stdout)[0]["lastEventId"] == "e5"
    letters = lines(deployment.command("dead-letters", "list", "--json").stdout)
    assert [each["key"] for each in letters if "twice" in each["message"]] == ["4:twice"]

    fewer = deployment.run("--until-end", input_formats="avro")
    assert fewer.wait(180) == 5
    assert "would now be in avro" in fewer.log
    assert (
        deployment.command("offsets", "repair", "--yes", "--input-formats", "avro").returncode == 0
    )
    assert deployment.run("--until-end", input_formats="avro").wait(180) == 0
