"""SIGTERM ends the service with 0 within 10 seconds, whatever it does or waits for."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState
from servers import Names
from system.deployment import Deployment
from system.process import eventually

from processor.demo.traffic import updates
from processor.local.java import kafka_classpath, run_java
from processor.local.kafka import LocalKafka
from processor.local.ports import free_port
from processor.local.valkey import LocalValkey


@pytest.fixture
def fragile(
    private_kafka: LocalKafka, private_valkey: LocalValkey, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    """The service on servers that the test may take away."""
    with Deployment(private_kafka.bootstrap_servers, private_valkey.url, names, tmp_path) as made:
        yield made


def members(deployment: Deployment) -> tuple[int, ConsumerGroupState]:
    (future,) = deployment.admin.describe_consumer_groups([deployment.names.group]).values()
    group = future.result()
    return len(group.members), group.state


def test_an_idle_process_leaves_its_group(deployment: Deployment) -> None:
    """Nobody waits for a session timeout to have its partitions."""
    process = deployment.run()
    process.await_log("partition ready", times=4)
    process.terminate()
    assert members(deployment) == (0, ConsumerGroupState.EMPTY)


def test_a_busy_process_finishes_its_batch(deployment: Deployment) -> None:
    """What was begun is committed, what was not is the next one's; nothing is left open."""
    process = deployment.run(max_batch="50")
    process.await_log("partition ready", times=4)
    deployment.produce(updates(12_000, seed=11, partition=deployment.partition))
    eventually("some is committed", lambda: max(deployment.committed().values()) > 0)
    process.terminate()
    done = sum(deployment.committed().values())
    assert 0 < done < 12_000
    assert members(deployment) == (0, ConsumerGroupState.EMPTY)
    successor = deployment.run("--until-end")
    assert successor.wait(180) == 0
    assert "fencing a former owner" not in successor.log
    deployment.assert_exact()


def test_a_process_that_waits_for_redis_to_start(deployment: Deployment) -> None:
    process = deployment.run(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    process.await_log("server away")
    assert process.probe("/livez")[0]
    ready, body = process.probe("/readyz")
    assert not ready
    assert "redis" in body["warnings"]
    process.terminate()


def test_a_process_that_waits_for_kafka_to_start(deployment: Deployment) -> None:
    process = deployment.run(bootstrap_servers=f"127.0.0.1:{free_port()}")
    process.await_log("server away")
    assert process.probe("/livez")[0]
    ready, body = process.probe("/readyz")
    assert not ready
    assert "kafka" in body["warnings"]
    process.terminate()


def test_a_process_that_restores(deployment: Deployment) -> None:
    """The broker hands the snapshots out so slowly that the restore goes on for a minute."""
    deployment.produce(updates(12_000, seed=12, partition=deployment.partition))
    assert deployment.run("--until-end").wait(180) == 0
    client = f"slow-{deployment.names.suffix}"
    run_java(
        "kafka.admin.ConfigCommand",
        [
            *("--bootstrap-server", deployment.bootstrap, "--alter"),
            *("--entity-type", "clients", "--entity-name", client),
            *("--add-config", "consumer_byte_rate=20000"),
        ],
        classpath=kafka_classpath(),
        timeout=180,
    )
    process = deployment.run(
        redis_prefix=f"{deployment.names.prefix}-other", kafka=f'{{"client.id": "{client}"}}'
    )
    eventually("a restore is under way", lambda: "restoring, " in str(process.probe("/readyz")[1]))
    assert process.probe("/livez")[0]
    process.terminate()
    assert process.log.count("partition ready") < deployment.partitions
    assert members(deployment) == (0, ConsumerGroupState.EMPTY)


def test_a_process_whose_kafka_is_away(fragile: Deployment, private_kafka: LocalKafka) -> None:
    """First deaf under load, when the batch under way is the next process's; then gone."""
    stream = updates(6_000, seed=13, partition=fragile.partition)
    fragile.produce(islice(stream, 4_000))
    process = fragile.run(max_batch="50")
    eventually("some is committed", lambda: max(fragile.committed().values()) > 0)
    private_kafka.pause()
    process.terminate()
    private_kafka.resume()
    successor = fragile.run()
    fragile.produce(stream)
    fragile.await_processed()
    fragile.assert_exact()
    private_kafka.kill()
    successor.terminate()


def test_a_busy_process_whose_redis_is_away(
    flushable: Deployment, private_valkey: LocalValkey
) -> None:
    """First deaf, then gone: a deaf one costs a timeout, and no more than one."""
    flushable.produce(updates(6_000, seed=14, partition=flushable.partition))
    for away, back in (
        (private_valkey.pause, private_valkey.resume),
        (private_valkey.kill, private_valkey.launch),
    ):
        process = flushable.run(max_batch="20")
        before = sum(flushable.committed().values())
        eventually("a batch is through", lambda: sum(flushable.committed().values()) > before)  # noqa: B023  called within the turn
        away()
        process.terminate()
        back()
    assert sum(flushable.committed().values()) < 6_000
    assert flushable.run("--until-end").wait(180) == 0
    flushable.assert_exact()
