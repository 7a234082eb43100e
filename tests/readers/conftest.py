from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from oracle import decode_session
from servers import KafkaAddress, Names, RedisAddress
from system.deployment import Deployment

from processor.demo.traffic import updates


@dataclass
class Published:
    """A stream that was processed to its end."""

    deployment: Deployment

    @cached_property
    def sessions(self) -> list[dict[str, Any]]:
        """Every snapshot, by partition and offset, read without the processor."""
        logs = self.deployment.read(self.deployment.names.sessions)
        return [decode_session(each.value or b"") for log in logs.values() for each in log]

    @property
    def latest(self) -> list[dict[str, Any]]:
        """Each session's last snapshot."""
        return list({(s["applicationId"], s["integrationId"]): s for s in self.sessions}.values())


@pytest.fixture(scope="module")
def published(
    kafka: KafkaAddress, valkey: RedisAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """A stream that was processed to its end; the readers only read."""
    logs = tmp_path_factory.mktemp("published")
    with Deployment(kafka.bootstrap_servers, valkey.url, Names.fresh(), logs) as deployment:
        deployment.produce(updates(4_000, seed=91, partition=deployment.partition))
        process = deployment.run("--until-end")
        assert process.wait(60) == 0, process.log[-3000:]
        yield Published(deployment)


@pytest.fixture(scope="session")
def examples() -> Path:
    return Path(__file__).parents[2] / "examples"
