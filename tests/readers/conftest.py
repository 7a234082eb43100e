from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from oracle import Entry, decode_session, is_nobodys
from servers import KafkaAddress, Names, RedisAddress
from session_commands import commanded
from system.deployment import Deployment

from processor.demo.traffic import updates


@dataclass
class Published:
    """A stream that was processed to its end."""

    deployment: Deployment

    @cached_property
    def placed(self) -> list[tuple[int, Entry]]:
        """Every record of the output behind its partition, read without the processor."""
        logs = self.deployment.read(self.deployment.names.sessions)
        found = [(partition, each) for partition, log in logs.items() for each in log]
        kept = [(partition, each) for partition, each in found if not is_nobodys(each)]
        assert len(kept) < len(found)
        return kept

    @property
    def records(self) -> list[Entry]:
        """Every record of the output, by partition and offset."""
        return [each for _, each in self.placed]

    @cached_property
    def sessions(self) -> list[dict[str, Any]]:
        """Every snapshot, by partition and offset."""
        return [self.session(each.value) for each in self.records if each.value is not None]

    @property
    def ends(self) -> list[tuple[str, str, int]]:
        """Of each end the session, the command and the version that it ended."""
        return [
            (
                (each.key or b"").decode(),
                (dict(each.headers)["session-processor.ended-by"] or b"").decode(),
                int(dict(each.headers)["session-processor.version"] or b""),
            )
            for each in self.records
            if each.value is None
        ]

    @property
    def latest(self) -> list[dict[str, Any]]:
        """Each session's last snapshot, where it has not ended."""
        last = {each.key: each.value for each in self.records}
        return [self.session(value) for value in last.values() if value is not None]

    def session(self, value: bytes) -> dict[str, Any]:
        """Return a snapshot's fields."""
        return decode_session(value)


def write_nobodys(deployment: Deployment) -> None:
    """Write what lets a segment roll, as an owner does in time."""
    owner = Producer({"bootstrap.servers": deployment.bootstrap})
    owner.produce(deployment.names.sessions, None, key=b"0:", partition=1)
    assert owner.flush(10) == 0


@pytest.fixture(scope="module")
def published(
    kafka: KafkaAddress, valkey: RedisAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """A stream that was processed to its end; the readers only read."""
    logs = tmp_path_factory.mktemp("published")
    with Deployment(kafka.bootstrap_servers, valkey.url, Names.fresh(), logs) as deployment:
        stream = updates(4_000, seed=91, partition=deployment.partition)
        deployment.produce(commanded(stream, seed=91, share=0.04))
        process = deployment.run("--until-end")
        assert process.wait(180) == 0, process.log[-3000:]
        write_nobodys(deployment)
        yield Published(deployment)


@pytest.fixture(scope="session")
def examples() -> Path:
    return Path(__file__).parents[2] / "examples"
