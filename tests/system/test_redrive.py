"""`dead-letters redrive`: each letter goes back once, whatever ends the process that sends it."""

import json
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import oracle
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from oracle import Entry
from system.deployment import Deployment
from system.process import Process, eventually
from system.saboteur import REDRIVE_POINTS

from processor.demo.traffic import DemoUpdate

SABOTEUR = Path(__file__).with_name("saboteur.py")
CURRENT = oracle.SCHEMAS / "SessionUpdate.avsc"
ATTEMPT = "session-processor.attempt"
TIME = 1_717_200_000_000


def update(
    deployment: Deployment, name: str, event: str, schema: Path = CURRENT, **fields: object
) -> DemoUpdate:
    frame, parsed = oracle._schema(schema)
    key = f"1:{name}".encode()
    document = {
        "eventId": event,
        "eventTime": TIME,
        "applicationId": 1,
        "integrationId": name,
        **fields,
    }
    out = BytesIO()
    out.write(frame)
    fastavro.schemaless_writer(out, parsed, document)
    headers = (("source", b"a test"), ("source", None))
    return DemoUpdate(key, out.getvalue(), headers, TIME, deployment.partition(key))


def bad(deployment: Deployment, count: int) -> list[DemoUpdate]:
    """Bytes that are no update, each other ones."""
    keys = [f"1:bad-{number}".encode() for number in range(count)]
    return [DemoUpdate(key, b"\xff" + key, (), TIME, deployment.partition(key)) for key in keys]


def process_all(deployment: Deployment, **settings: str) -> None:
    run = deployment.run("--until-end", **settings)
    assert run.wait(180) == 0, run.log[-3000:]


def redrive(deployment: Deployment, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = deployment.command("dead-letters", "redrive", "--json", *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    answer = done.stdout if code == 0 else done.stderr.splitlines()[-1]
    return dict(json.loads(answer))


def redriving(deployment: Deployment, *arguments: str, prefix: tuple[str, ...] = ()) -> Process:
    command = [sys.executable, *(prefix or ("-m", "processor")), "dead-letters", "redrive", "--yes"]
    return deployment._start([*command, *arguments], {})


def inputs(deployment: Deployment) -> list[Entry]:
    found = deployment.read(deployment.names.updates)
    return [entry for partition in sorted(found) for entry in found[partition]]


def snapshots(deployment: Deployment) -> int:
    return sum(map(len, deployment.read(deployment.names.sessions).values()))


def times(deployment: Deployment) -> Mapping[int, int]:
    """Return how many values are in the input how often."""
    return Counter(Counter(entry.value for entry in inputs(deployment)).values())


def test_letters_whose_cause_is_mended_are_accepted(deployment: Deployment, tmp_path: Path) -> None:
    """An opening update that came late, and a schema that became known late."""
    schema = json.loads(CURRENT.read_text())
    schema["fields"].append({"name": "channel", "type": ["null", "string"], "default": None})
    directory = tmp_path / "schemas"
    directory.mkdir()
    later = directory / "SessionUpdate.9.avsc"
    later.write_text(json.dumps(schema))
    names = [f"s{number}" for number in range(12)]
    closing = [update(deployment, name, f"close {name}", state="closed") for name in names]
    unknown = [update(deployment, f"n{name}", f"new {name}", later, total=3.0) for name in names]
    deployment.produce([*closing, *unknown])
    process_all(deployment)
    deployment.produce([update(deployment, name, f"open {name}", coupon="C") for name in names])
    process_all(deployment, schemas_dir=str(directory))
    service = deployment.run(schemas_dir=str(directory))

    plan = redrive(deployment)
    assert (plan["letters"], plan["sent"], plan["dryRun"]) == (24, 0, True)
    assert len(inputs(deployment)) == 36
    people = deployment.command("dead-letters", "redrive").stdout
    assert "unknown-session" in people
    done = redrive(deployment, "--yes", "--reason", "unknown-session")
    assert (done["sent"], done["skipped"]) == (12, {})
    assert {each["reason"] for each in done["byReason"]} == {"unknown-session"}
    assert redrive(deployment, "--yes", "--reason", "undecodable")["sent"] == 12

    eventually("all are accepted", lambda: snapshots(deployment) == 36)
    service.terminate()
    entries = inputs(deployment)
    sent = [entry for entry in entries if ATTEMPT in dict(entry.headers)]
    assert Counter(entry.value for entry in sent) == Counter(
        each.value for each in [*closing, *unknown]
    )
    for entry in sent:
        assert entry.headers == (("source", b"a test"), ("source", None), (ATTEMPT, b"2"))
        assert entry.timestamp > TIME
    letters = deployment.read(deployment.names.dead_letters)
    assert sum(map(len, letters.values())) == 24
    for partition, log in deployment.read(deployment.names.sessions).items():
        last = {each.key: oracle.decode_session(each.value or b"") for each in log}
        for key, session in last.items():
            name = (key or b"").decode().removeprefix("1:")
            closed = name in names
            assert session["state"] == ("closed" if closed else "open"), name
            assert session["version"] == (2 if closed else 1)
            assert (session["coupon"], session["total"]) == (("C", 0.0) if closed else ("", 3.0))
        mine = [each for each in [*closing, *unknown] if each.partition == partition]
        assert set(last) == {each.key for each in mine}


def test_the_output_is_what_the_input_comes_to(deployment: Deployment) -> None:
    """Letters that fail again among those that do not, against the oracle."""
    names = [f"s{number}" for number in range(20)]
    deployment.produce([update(deployment, name, f"c {name}", state="closed") for name in names])
    process_all(deployment)
    deployment.produce([update(deployment, name, f"o {name}") for name in names[::2]])
    assert redrive(deployment, "--yes")["sent"] == 20
    process_all(deployment)
    found = deployment.assert_exact()
    assert sum(len(each.snapshots) for each in found.values()) == 20
    assert sum(len(each.dead_letters) for each in found.values()) == 30


@pytest.mark.parametrize("point", REDRIVE_POINTS)
def test_a_kill_at_a_step_of_a_transaction_repeats_nothing(
    deployment: Deployment, point: str
) -> None:
    deployment.produce(each._replace(partition=1) for each in bad(deployment, 60))
    process_all(deployment)
    # The first transaction only freezes the ends; with this rate each has five letters.
    killed = redriving(deployment, "--max-rate", "5", prefix=(str(SABOTEUR), point, "4"))
    assert killed.wait(180) == -signal.SIGKILL, killed.log
    done = redrive(deployment, "--yes")
    assert done["sentBefore"] == (15 if point == "redrive-after-commit" else 10)
    assert done["sent"] + done["sentBefore"] == 60
    assert times(deployment) == {2: 60}
    again = redrive(deployment, "--yes")
    assert (again["sent"], again["sentBefore"], again["done"]) == (0, 60, True)
    assert times(deployment) == {2: 60}


def test_kills_at_any_time_repeat_nothing(deployment: Deployment) -> None:
    """And it ends where the first run would have: what came later is left for another."""
    deployment.produce(bad(deployment, 200))
    process_all(deployment)
    for least in (230, 270, 310):
        process = redriving(deployment, "--max-rate", "40")
        eventually("some were sent", lambda least=least: written(deployment) >= least)  # type: ignore[misc]
        process.kill()
    process_all(deployment)  # they fail again, and become letters anew
    done = redrive(deployment, "--yes")
    assert done["sentBefore"] > 0
    assert times(deployment) == {2: 200}
    second = redrive(deployment, "--yes", "--name", "second")
    assert (second["sent"], second["skipped"]) == (200 + done["sentBefore"], {})


def written(deployment: Deployment) -> int:
    return sum(end for _, (_, end) in deployment._extents(deployment.names.updates))


def test_of_two_processes_the_second_goes_on(deployment: Deployment) -> None:
    deployment.produce(bad(deployment, 100))
    process_all(deployment)
    first = redriving(deployment, "--max-rate", "10", "--name", "night")
    eventually("some were sent", lambda: written(deployment) >= 120)
    done = redrive(deployment, "--yes", "--name", "night")
    assert done["sentBefore"] > 0
    assert first.wait(180) == 5, first.log
    assert "another process took this redrive over" in first.log
    assert "Traceback" not in first.log
    assert times(deployment) == {2: 100}


def test_attempts_are_counted_and_end(deployment: Deployment) -> None:
    deployment.produce(bad(deployment, 4))
    process_all(deployment)
    assert redrive(deployment, "--yes", "--name", "1")["sent"] == 4
    process_all(deployment)
    second = redrive(deployment, "--yes", "--name", "2", "--max-attempts", "2")
    assert (second["sent"], second["skipped"]) == (4, {"attempts": 4})
    process_all(deployment)
    headers = [dict(entry.headers).get(ATTEMPT) for entry in inputs(deployment)]
    assert Counter(headers) == {None: 4, b"2": 8}
    people = deployment.command("dead-letters", "redrive", "--max-attempts", "1")
    assert "12 skipped: it has failed --max-attempts times" in people.stderr
    third = redrive(deployment, "--yes", "--name", "3")
    assert (third["sent"], third["skipped"]) == (12, {})
    process_all(deployment)
    assert redrive(deployment, "--yes", "--name", "4")["skipped"] == {"attempts": 8}


def test_a_dry_run_changes_nothing(deployment: Deployment) -> None:
    deployment.produce(bad(deployment, 5))
    process_all(deployment)
    before = written(deployment)
    for _ in range(2):
        plan = redrive(deployment, "--from-time", "2024-06-01T00:00:00Z", "--partition", "0")
        assert (plan["dryRun"], plan["done"], plan["sent"]) == (True, False, 0)
    assert written(deployment) == before
    assert plan["group"] not in groups(deployment)


def groups(deployment: Deployment) -> set[str]:
    return {each.group_id for each in deployment.admin.list_consumer_groups().result().valid}


def test_a_name_is_of_one_selection(deployment: Deployment) -> None:
    deployment.produce(bad(deployment, 3))
    process_all(deployment)
    assert redrive(deployment, "--yes", "--name", "n", "--key", "1:bad-1")["sent"] == 1
    clash = redrive(deployment, "--yes", "--name", "n", "--key", "1:bad-2", code=8)
    assert "n was begun with other options" in clash["message"]
    assert "--name" in clash["hint"]
    assert redrive(deployment, "--name", "n", "--key", "1:bad-1")["done"]
    assert redrive(deployment, "--yes", "--name", "a name", code=8)["hint"]
    assert redrive(deployment, "--partition", "9", code=9)["hint"]
    assert redrive(deployment, "--yes", "--offsets", "9:1-2", code=9)["hint"]
    assert redrive(deployment, "--from-time", "soon", code=8)["hint"]
    assert len(inputs(deployment)) == 4


def test_a_record_that_the_input_refuses_is_skipped_and_told(deployment: Deployment) -> None:
    key = b"1:large"
    large = DemoUpdate(key, bytes(range(256)) * 200, (), TIME, deployment.partition(key))
    huge = DemoUpdate(
        b"1:huge", Random(4).randbytes(60_000), (), TIME, deployment.partition(b"1:huge")
    )
    deployment.produce([*bad(deployment, 30), large, huge])
    process_all(deployment)
    resource = ConfigResource("topic", deployment.names.updates)
    resource.add_incremental_config(
        ConfigEntry("max.message.bytes", "20000", incremental_operation=AlterConfigOpType.SET)
    )
    for future in deployment.admin.incremental_alter_configs([resource]).values():
        future.result()
    done = redrive(deployment, "--yes")
    assert done["skipped"] == {"refused": 1}
    assert len(done["refused"]) == 1
    assert done["sent"] == 31
    assert times(deployment) == {2: 31, 1: 1}
