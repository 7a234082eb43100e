"""The service with a real schema registry: ids in the value or in headers, on either side."""

import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import fastavro
import oracle
import pytest
import redis
from any_json import any_json
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from first_sessions import winners
from oracle import Entry, Snapshot, decode_session, expected, timed
from servers import KafkaAddress, Names, RedisAddress
from system.deployment import Deployment
from system.process import Process, eventually
from system.test_servers_away import living, warned

from processor.demo.traffic import DemoUpdate, Mix, updates
from processor.local.registry import LocalRegistry
from processor.ports.clock import SYSTEM_CLOCK
from processor.reader import SessionReader

HEADER = "__value_schema_id"
UPDATE_FRAME, UPDATE = oracle._schema(oracle.SCHEMAS / "SessionUpdate.avsc")
SOUND = Mix(rejects=0)
MISSING = 2_000_000_000
"""A number that no registry here has given."""


def prefix(number: int) -> bytes:
    return b"\x00" + number.to_bytes(4, "big")


class Subjects:
    """What is registered under a deployment's subjects, seen by the client that readers have."""

    def __init__(self, deployment: Deployment, url: str) -> None:
        self.client = SchemaRegistryClient({"url": url})
        self._names = deployment.names

    @property
    def update(self) -> int:
        return self._id(self._names.updates)

    @property
    def session(self) -> int:
        return self._id(self._names.sessions)

    def _id(self, topic: str) -> int:
        number = self.client.get_latest_version(f"{topic}-value").schema_id
        assert number is not None
        return number


def in_turn(stream: Iterable[DemoUpdate], number: int) -> Iterator[DemoUpdate]:
    """Frame updates in all ways: single-object, an id before the value, an id in a header."""
    for update, way in zip(stream, cycle(("fingerprint", "value", "header"))):
        value = update.value or b""
        assert value.startswith(UPDATE_FRAME)
        datum = value[len(UPDATE_FRAME) :]
        if way == "value":
            yield update._replace(value=prefix(number) + datum)
        elif way == "header":
            headers = (*update.headers, (HEADER, prefix(number)))
            yield update._replace(value=datum, headers=headers)
        else:
            yield update


def plain(entry: Entry, number: int, frame: bytes) -> Entry:
    """Return a record as it would be in single-object encoding."""
    held = dict(entry.headers).get(HEADER)
    value = (held or b"") + (entry.value or b"")
    if value.startswith(prefix(number)):
        value = frame + value[5:]
    return entry._replace(value=value)


def assert_as_without_registry(deployment: Deployment, subjects: Subjects) -> list[Entry]:
    """See that the output is what the oracle makes of the same updates; return the output."""
    inputs = deployment.read(deployment.names.updates)
    logs = deployment.read(deployment.names.sessions)
    output = {
        partition: [
            Snapshot(each.key or b"", made.value or b"", each.timestamp)
            for each in log
            for made in (plain(each, subjects.session, oracle.FRAME),)
        ]
        for partition, log in logs.items()
    }
    firsts = winners(output)
    for partition, log in inputs.items():
        wanted = expected([plain(each, subjects.update, UPDATE_FRAME) for each in log], firsts)
        due = timed(wanted.snapshots, output[partition], SYSTEM_CLOCK.now_ms())
        assert output[partition] == due
    assert not any(deployment.read(deployment.names.dead_letters).values())
    return [each for log in logs.values() for each in log]


def assert_readable_in_redis(deployment: Deployment, prefix_: str, output: list[Entry]) -> None:
    """See that Redis alone has each session's last snapshot, and how to read it."""
    client = redis.Redis.from_url(deployment.redis_url)
    reader = SessionReader(client, prefix_)
    last = {each.key or b"": each for each in output}
    for key, entry in islice(last.items(), 50):
        (found,) = reader.get(key).found
        held = dict(entry.headers).get(HEADER) or b""
        assert found.snapshot == held + (entry.value or b"")
        assert reader.decode(found.snapshot)["inputOffset"] >= 0
    client.close()


def settle(process: Process) -> None:
    assert process.wait(180) == 0, process.log[-3000:]


@pytest.fixture
def registered(deployment: Deployment, registry: str) -> Iterator[Subjects]:
    """A deployment whose schemas are registered."""
    deployment.environment["PROCESSOR_SCHEMA_REGISTRY_URL"] = registry
    done = deployment.command("schemas", "register")
    assert done.returncode == 0, done.stderr
    subjects = Subjects(deployment, registry)
    yield subjects
    subjects.client.close()


def test_without_its_schema_the_service_says_what_to_run(
    deployment: Deployment, registry: str
) -> None:
    process = deployment.run(schema_registry_url=registry)
    assert process.wait(180) == 3
    assert "`session-processor schemas register`" in process.log
    with SchemaRegistryClient({"url": registry}) as client:
        assert not [each for each in client.get_subjects() if deployment.names.sessions in each]


def test_from_the_first_record_on_and_through_a_change_of_the_framing(
    deployment: Deployment, registered: Subjects
) -> None:
    """Every framing in, ids in the value and then in headers out; the caches as the topic says."""
    stream = in_turn(
        updates(900, seed=7, mix=SOUND, partition=deployment.partition), registered.update
    )
    deployment.produce(islice(stream, 450))
    settle(deployment.run("--until-end"))
    output = assert_as_without_registry(deployment, registered)
    assert all((each.value or b"").startswith(prefix(registered.session)) for each in output)
    assert not any(each.headers for each in output)
    assert_readable_in_redis(deployment, deployment.names.prefix, output)
    before = committed_records(deployment)

    deployment.environment["PROCESSOR_SCHEMA_ID_LOCATION"] = "headers"
    deployment.produce(stream)
    refused = deployment.run("--until-end")
    assert refused.wait(180) == 5
    assert "--accept-mixed-framing" in refused.log
    assert committed_records(deployment) == before
    settle(deployment.run("--until-end", "--accept-mixed-framing"))
    output = assert_as_without_registry(deployment, registered)
    later = [each for each in output if each.headers]
    assert len(later) > 200
    assert all(each.headers == ((HEADER, prefix(registered.session)),) for each in later)
    settle(deployment.run("--until-end"))  # what is committed is the new framing

    # A cache that is made of nothing but the topic.
    elsewhere = deployment.names.prefix + "-2"
    settle(deployment.run("--until-end", redis_prefix=elsewhere))
    assert_readable_in_redis(deployment, elsewhere, output)
    _read_by_others(deployment, registered, output)
    _read_by_commands(deployment, output)
    _folded_again_alike(deployment)


def committed_records(deployment: Deployment) -> int:
    return sum(map(len, deployment.read(deployment.names.sessions).values()))


def _read_by_others(deployment: Deployment, registered: Subjects, output: list[Entry]) -> None:
    """Confluent's own deserializer takes either place of the id."""
    program = Path(__file__).parents[2] / "examples" / "python" / "read_topic_registry.py"
    url = deployment.environment["PROCESSOR_SCHEMA_REGISTRY_URL"]
    said = subprocess.run(
        [sys.executable, str(program), deployment.bootstrap, deployment.names.sessions, url],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    events = [any_json(line)["lastEventId"] for line in said.stdout.split("\n") if line]
    framed = (plain(each, registered.session, oracle.FRAME).value or b"" for each in output)
    assert sorted(events) == sorted(decode_session(each)["lastEventId"] for each in framed)


def _read_by_commands(deployment: Deployment, output: list[Entry]) -> None:
    file = Path(deployment._logs) / "sessions.avro"
    exported = deployment.command("sessions", "export", str(file), "--all", "--json")
    assert json.loads(exported.stdout)["snapshots"] == len(output), exported.stderr
    with file.open("rb") as opened:
        versions = sorted(each["version"] for each in fastavro.reader(opened))  # type: ignore[index,call-overload]
    assert versions[0] == 1
    watched = deployment.command(
        *("sessions", "watch", "--from-beginning", "--limit", str(len(output)), "--json")
    )
    assert watched.returncode == 0, watched.stderr
    assert watched.stdout.count("\n") == len(versions)


def _folded_again_alike(deployment: Deployment) -> None:
    """A replay publishes under the same id, and what it is compared with has both places."""
    made = deployment.command("replay", "run", "--name", "again", "--from-earliest")
    assert made.returncode == 0, made.stderr
    same = deployment.command("replay", "diff", "again")
    assert same.returncode == 0, same.stdout + same.stderr


def test_what_the_commands_send_names_the_registrys_id(
    deployment: Deployment, registered: Subjects, tmp_path: Path
) -> None:
    names = deployment.names
    lines = tmp_path / "updates.jsonl"
    lines.write_text('{"applicationId": 1, "integrationId": "a"}\n')
    for arguments in (("produce", str(lines)), ("demo", "--send-only", "--updates", "1000")):
        sent = deployment.command(*arguments)
        assert sent.returncode == 0, sent.stderr
    values = [each.value or b"" for log in deployment.read(names.updates).values() for each in log]
    named = [each for each in values if each.startswith(prefix(registered.update))]
    assert len(values) > len(named) > 950  # the demo sends what cannot be read, too
    assert not any(each.startswith(UPDATE_FRAME) for each in values)


def test_a_letter_whose_id_stands_in_a_header_can_be_read_and_sent_again(
    deployment: Deployment, registered: Subjects
) -> None:
    names = deployment.names
    update = in_plain(registered.update, "e-1", "a")
    held = ((HEADER, (update.value or b"")[:5]),)
    wrong = update._replace(key=b"1:b", value=(update.value or b"")[5:], headers=held, partition=0)
    deployment.produce([wrong])
    settle(deployment.run("--until-end"))
    shown = deployment.command("dead-letters", "show", "0:0", "--json")
    letter = json.loads(shown.stdout)
    assert (letter["reason"], letter["update"]["eventId"]) == ("key-mismatch", "e-1")
    again = deployment.command("dead-letters", "redrive", "--reason", "key-mismatch", "--yes")
    assert again.returncode == 0, again.stderr
    (first, second) = deployment.read(names.updates)[0]
    assert second.value == first.value
    assert (HEADER, prefix(registered.update)) in second.headers


def wider() -> str:
    """A later version of the update's schema, with a field more."""
    schema = json.loads((oracle.SCHEMAS / "SessionUpdate.avsc").read_text())
    schema["fields"].append({"name": "channel", "type": ["null", "string"], "default": None})
    return json.dumps(schema)


def in_wider(number: int, event: str, integration: str) -> DemoUpdate:
    out = io.BytesIO()
    fields: dict[str, Any] = {
        "eventId": event,
        "eventTime": 1_717_200_000_000,
        "applicationId": 1,
        "integrationId": integration,
        "channel": "app",
    }
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(wider())), fields)
    key = f"1:{integration}".encode()
    return DemoUpdate(key, prefix(number) + out.getvalue(), (), 1_717_200_000_000, None)


def test_a_registry_away_and_ids_made_up(
    kafka: KafkaAddress,
    valkey: RedisAddress,
    private_registry: LocalRegistry,
    names: Names,
    tmp_path: Path,
) -> None:
    """What needs an answer waits, the rest goes on; only what is made up is dead-lettered."""
    with Deployment(kafka.bootstrap_servers, valkey.url, names, tmp_path) as deployment:
        deployment.environment["PROCESSOR_SCHEMA_REGISTRY_URL"] = private_registry.url
        assert deployment.command("schemas", "register").returncode == 0
        subjects = Subjects(deployment, private_registry.url)
        later = subjects.client.register_schema(f"{names.updates}-value", Schema(wider(), "AVRO"))
        known = subjects.client.get_version(f"{names.updates}-value", 1).schema_id or 0
        made_up, waits, free = in_partitions_of_their_own(deployment)
        process = deployment.run()
        process.await_log("partition ready", times=4)
        with living(process):
            hostile = [in_wider(MISSING + each, f"m-{each}", made_up) for each in range(3)]
            deployment.produce([*hostile, in_plain(known, "e-0", made_up)])
            deployment.produce([in_plain(known, "e-0", free)])
            eventually("the others go on", lambda: versions(deployment).get(free) == 1)
            private_registry.pause()
            deployment.produce([in_wider(later, "e-1", waits), in_plain(known, "e-1", free)])
            eventually("the others go on", lambda: versions(deployment).get(free) == 2)
            eventually("it says why", lambda: warned(process, "registry"))
            private_registry.kill()
            deployment.produce([in_plain(known, "e-2", free)])
            eventually("the others go on", lambda: versions(deployment).get(free) == 3)
            assert not any(deployment.read(names.dead_letters).values())
            private_registry.launch()
            eventually("it comes", lambda: versions(deployment).get(waits) == 1)
            eventually("it is content", lambda: not warned(process, "registry"))
            eventually("what is made up is passed", lambda: made_up in versions(deployment), 45)
            eventually("nothing waits", lambda: not process.probe("/readyz")[1]["warnings"])
            private_registry.pause()
            deployment.produce([in_wider(MISSING + 9, "m-9", waits)])
            eventually("it waits again", lambda: warned(process, "registry"))
        process.terminate()
        subjects.client.close()
        letters = [each for log in deployment.read(names.dead_letters).values() for each in log]
        assert [each.value for each in letters] == [each.value for each in hostile]
        reasons = {dict(each.headers)["__streams.errors.exception"] for each in letters}
        assert reasons == {b"undecodable"}


def in_plain(number: int, event: str, integration: str) -> DemoUpdate:
    out = io.BytesIO()
    fields: dict[str, Any] = {
        "eventId": event,
        "eventTime": 1_717_200_000_000,
        "applicationId": 1,
        "integrationId": integration,
    }
    fastavro.schemaless_writer(out, UPDATE, fields)
    key = f"1:{integration}".encode()
    return DemoUpdate(key, prefix(number) + out.getvalue(), (), 1_717_200_000_000, None)


def in_partitions_of_their_own(deployment: Deployment) -> list[str]:
    """Return three sessions, each in another partition."""
    found: dict[int, str] = {}
    for name in map(str, range(100)):
        found.setdefault(deployment.partition(f"1:{name}".encode()), name)
    return [*found.values()][:3]


def versions(deployment: Deployment) -> dict[str, int]:
    """Return each session's version, as published."""
    found = {}
    for log in deployment.read(deployment.names.sessions).values():
        for each in log:
            fields = decode_session(oracle.FRAME + (each.value or b"")[5:])
            found[fields["integrationId"]] = fields["version"]
    return found
