"""Topics that are deleted and created again under a running service: it ends within seconds."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import KafkaAddress, Names, RedisAddress
from system.deployment import Deployment
from system.process import Process, eventually

from processor.demo.traffic import updates
from processor.runtime.identity import WATCH_S

PARTS = ("updates", "sessions", "claims")


@pytest.fixture
def deployments(
    kafka: KafkaAddress, valkey: RedisAddress, tmp_path: Path
) -> Iterator[dict[str, Deployment]]:
    """One service a topic, so that all are waited for at once."""
    with ExitStack() as closing:
        made = {}
        for part in PARTS:
            logs = tmp_path / part
            logs.mkdir()
            one = Deployment(kafka.bootstrap_servers, valkey.url, Names.fresh(), logs, 1)
            made[part] = closing.enter_context(one)
        yield made


def exchange(deployment: Deployment, topic: str) -> None:
    deployment.admin.delete_topics([topic])[topic].result(10)
    eventually("it is gone", lambda: topic not in deployment.admin.list_topics(timeout=10).topics)
    deployment.create_topics(only=topic)


def test_each_topic_that_is_created_again_ends_the_service(
    deployments: dict[str, Deployment],
) -> None:
    """The service stands still meanwhile, and meets new topics that are beyond what it has read."""
    running: dict[str, Process] = {}
    for part, deployment in deployments.items():
        deployment.produce(updates(100, seed=61, partition=deployment.partition))
        running[part] = deployment.run()
    for part, deployment in deployments.items():
        deployment.await_processed()
        eventually("ready", running[part].ready)
        running[part].signal(signal.SIGSTOP)
        exchange(deployment, getattr(deployment.names, part))
        if part == "updates":
            deployment.produce(updates(300, seed=62, partition=deployment.partition))
        running[part].signal(signal.SIGCONT)
    since = time.monotonic()
    for part, process in running.items():
        assert process.wait(180) == 5, process.log[-3000:]
        said = " ".join(process.log.split())
        name = getattr(deployments[part].names, part)
        assert f"topic {name} was" in said
        assert "it was deleted and created again" in said
        assert "session-processor offsets repair" in said
    assert time.monotonic() - since < 3 * WATCH_S
