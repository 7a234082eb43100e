"""What `GET /status` answers, of a whole service on the fakes; held to its published schema."""

import ast
import json
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.service import LIMITS, PARTITIONS, Service, World
from jsonschema import Draft7Validator

from processor.dead_letters.limits import FloodLimits
from processor.ports.log import Outgoing, Topic
from processor.telemetry import held_up, observer
from processor.telemetry.incidents import HALT_HINT, KEPT, REMEDIES, Incidents
from processor.telemetry.status import PHASES, Restoring

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/Status.schema.json").read_text())
MINE = 0


def status(service: Service) -> dict[str, Any]:
    service.status.process(version="1", codec="fastavro", group="group")
    body: dict[str, Any] = json.loads(json.dumps(service.status.body()))
    Draft7Validator(SCHEMA).validate(body)
    return body


def partition(service: Service, number: int = MINE) -> dict[str, Any]:
    found: dict[str, Any] = status(service)["partitions"][number]
    assert found["partition"] == number
    return found


def test_the_schema_is_one_and_has_every_phase() -> None:
    Draft7Validator.check_schema(SCHEMA)
    told = SCHEMA["properties"]["partitions"]["items"]["properties"]["phase"]["enum"]
    assert told == list(PHASES)
    assert SCHEMA["properties"]["incidents"]["maxItems"] == KEPT


def test_it_says_where_each_partition_is_and_what_it_made(world: World) -> None:
    world.feed_harsh(400, seed=21)
    service = world.service()
    assert status(service)["partitions"] == []
    service.run_until_processed()
    until = world.clock.now + 20
    service.run_until(lambda: world.clock.now > until)
    results = world.assert_exact()
    body = status(service)
    assert body["ready"]
    assert body["process"]["member"]
    assert [each["partition"] for each in body["partitions"]] == [*range(PARTITIONS)]
    for number, expected in results.items():
        told = partition(service, number)
        assert told["phase"] == "owned"
        assert told["reason"] is None
        assert told["position"] == told["end"] == world.broker.extent(Topic.UPDATES, number).end
        assert (told["lagRecords"], told["lagSeconds"]) == (0, 0)
        assert sum(told["deadLetters"].values()) == len(expected.dead_letters) > 0
        assert set(told["deadLetters"]) == {each.reason for each in expected.dead_letters}
        assert told["lastCommitAt"]


def test_it_names_no_key_and_nothing_of_a_payload(world: World) -> None:
    world.feed_harsh(400, seed=22)
    service = world.service()
    service.run_until_processed()
    text = json.dumps(status(service))
    told = [world.records(topic, each) for topic in Topic for each in range(PARTITIONS)]
    keys = {record.key or b"" for records in told for record in records}
    ids = {key.decode(errors="replace").partition(":")[2] for key in keys}
    ids = {each for each in ids if len(each) > 5}  # a shorter one may be in any text
    assert len(ids) > 20
    for each in ids:
        assert each not in text


def test_a_halted_partition_says_what_to_do(world: World) -> None:
    service = world.service(LIMITS._replace(flood=FloodLimits(consecutive=1)))
    service.run_until_processed()
    for _ in range(2):
        world.broker.append(Outgoing(Topic.UPDATES, MINE, -1, b"1:x", b"\xff", ()))
    service.run_until(lambda: bool(service.halts.partitions))
    told = partition(service)
    assert told["phase"] == "halted"
    assert HALT_HINT in told["reason"]
    assert told["deadLetters"] == {"undecodable": 2}
    latest = status(service)["incidents"][0]
    assert latest["what"] == "partition halted, the others go on"
    assert latest["about"]["partition"] == MINE
    assert latest["whatToDo"] == HALT_HINT


def test_a_partition_that_is_taken_over_or_restored_says_how_far(world: World) -> None:
    service = world.service()
    service.run_until(lambda: bool(service.status.body()["partitions"]))
    assert {each["phase"] for each in status(service)["partitions"]} <= {"taking over", "restoring"}
    service.status.restoring(MINE, Restoring(30, 90, 10.0, 6), "restoring")
    told = partition(service)
    assert told["phase"] == "restoring"
    assert told["restore"] == {"done": 30, "total": 90, "perSecond": 10.0, "secondsLeft": 6}
    service.pipeline.disown(MINE)
    observed = service.observer
    observed.restarted(MINE)
    assert (partition(service)["phase"], partition(service)["restore"]) == ("taking over", None)
    service.run_until_processed()
    assert partition(service)["restore"] is None


def test_a_partition_that_comes_back_as_it_went_is_told_of(world: World) -> None:
    """Damaged, or before a schema that is not there, it is so at once when it is assigned again."""
    service = world.service()
    service.run_until_processed()
    for _ in range(2):
        service.observer.held_up.look_for_damage({MINE: "its checksum is wrong"}, [MINE])
        assert partition(service)["phase"] == "damaged"
        service.observer.schema_awaited(MINE, "the schema 7 is not there")
        assert partition(service)["phase"] == "waiting for a schema"
        service.status.assigned(gone=[MINE], come=[MINE])
        service.observer.owned(MINE, 0)
        assert partition(service)["phase"] == "owned"


def test_what_is_gone_is_not_told_of(world: World) -> None:
    service = world.service()
    service.run_until_processed()
    service.status.assigned(gone=[MINE], come=[])
    service.status.committed([MINE], [])
    service.status.leave(MINE, "halted")
    assert MINE not in [each["partition"] for each in status(service)["partitions"]]


def test_the_last_incidents_are_kept_the_latest_first() -> None:
    clock = FakeClock()
    incidents = Incidents(clock)
    for number in range(KEPT + 5):
        incidents.warning("fetch renewed", partition=number)
    last = incidents.last()
    assert len(last) == KEPT
    assert last[0].about == {"partition": KEPT + 4}
    assert last[-1].about == {"partition": 5}


@pytest.mark.parametrize("module", [observer, held_up])
def test_each_incident_says_what_to_do(module: Any) -> None:
    told = [
        call
        for call in ast.walk(ast.parse(getsource(module)))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"warning", "error"}
    ]
    assert told
    for call in told:
        what = ast.literal_eval(call.args[0])
        assert what in REMEDIES or "hint" in {each.arg for each in call.keywords}, what
