"""The programs of `examples/` read what was published under a schema registry's ids."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oracle import FRAME, decode_session
from readers.conftest import Published, write_nobodys
from readers.test_examples import assert_reads, assert_tells_all, copied, needs, run
from servers import KafkaAddress, Names, RedisAddress
from session_commands import commanded
from system.deployment import Deployment
from system.process import eventually

from processor.demo.traffic import Mix, updates


class ById(Published):
    """Read without a registry: its framing is as long as it is."""

    def session(self, value: bytes) -> dict[str, Any]:
        assert value[:1] == b"\x00"
        return decode_session(FRAME + value[5:])


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
        asked = ("schemas", "register")
        # One that has just started may be slow to answer for the first time.
        eventually("registered", lambda: deployment.command(*asked).returncode == 0)
        stream = updates(400, seed=92, mix=Mix(rejects=0), partition=deployment.partition)
        deployment.produce(commanded(stream, seed=92))
        process = deployment.run("--until-end")
        assert process.wait(180) == 0, process.log[-3000:]
        write_nobodys(deployment)
        yield ById(deployment)


def test_python_with_confluents_deserializer(by_id: ById, examples: Path, registry: str) -> None:
    program = str(examples / "python" / "read_topic_registry.py")
    arguments = [by_id.deployment.bootstrap, by_id.deployment.names.sessions, registry]
    assert_tells_all(by_id, run([sys.executable, "-B", program, *arguments], examples))


@needs("go")
def test_go_finds_the_schema_by_its_id(by_id: ById, examples: Path, tmp_path: Path) -> None:
    assert_reads(by_id, ["go", "run", "."], copied(examples / "go", tmp_path))


@needs("node", "npm")
def test_node_finds_the_schema_by_its_id(by_id: ById, examples: Path, tmp_path: Path) -> None:
    where = copied(examples / "node", tmp_path)
    run(["npm", "install", "--silent", "--no-package-lock"], where)
    assert_reads(by_id, ["node", "read-session.mjs"], where)
