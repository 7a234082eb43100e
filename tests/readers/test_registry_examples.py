"""The programs of `examples/` read what was published under a schema registry's ids."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from oracle import FRAME, decode_session
from readers.conftest import Published
from readers.test_examples import assert_reads, copied, demanded, needs, run, told
from servers import KafkaAddress, Names, RedisAddress
from system.deployment import Deployment

from processor.demo.traffic import Mix, updates


class ById(Published):
    """Read without a registry: its framing is as long as it is."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        logs = deployment.read(deployment.names.sessions)
        values = [each.value or b"" for log in logs.values() for each in log]
        assert {value[:1] for value in values} == {b"\x00"}
        self.sessions = [decode_session(FRAME + value[5:]) for value in values]


@pytest.fixture(scope="module")
def by_id(
    kafka: KafkaAddress,
    valkey: RedisAddress,
    registry: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ById]:
    logs = tmp_path_factory.mktemp("by-id")
    with Deployment(kafka.bootstrap_servers, valkey.url, Names.fresh(), logs) as deployment:
        deployment.environment["PROCESSOR_SCHEMA_REGISTRY_URL"] = registry
        registered = deployment.command("schemas", "register")
        assert registered.returncode == 0, registered.stderr
        stream = updates(400, seed=92, mix=Mix(rejects=0), partition=deployment.partition)
        deployment.produce(stream)
        process = deployment.run("--until-end")
        assert process.wait(60) == 0, process.log[-3000:]
        yield ById(deployment)


def test_python_with_confluents_deserializer(by_id: ById, examples: Path, registry: str) -> None:
    program = str(examples / "python" / "read_topic_registry.py")
    arguments = [by_id.deployment.bootstrap, by_id.deployment.names.sessions, registry]
    assert told(run([sys.executable, program, *arguments], examples)) == demanded(by_id)


@needs("go")
def test_go_finds_the_schema_by_its_id(by_id: ById, examples: Path, tmp_path: Path) -> None:
    assert_reads(by_id, ["go", "run", "."], copied(examples / "go", tmp_path))


@needs("node", "npm")
def test_node_finds_the_schema_by_its_id(by_id: ById, examples: Path, tmp_path: Path) -> None:
    where = copied(examples / "node", tmp_path)
    run(["npm", "install", "--silent", "--no-package-lock"], where)
    assert_reads(by_id, ["node", "read-session.mjs"], where)
