"""Redis fails over while updates flow, and what was acknowledged is gone: nothing else is."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import redis
from servers import KafkaAddress, Names, Places
from system.deployment import Deployment
from system.process import Process, eventually
from valkeys import ValkeyCluster, Watched

from processor.demo.traffic import updates
from processor.local.valkey import LocalValkey
from processor.reader import Answer, Found, SessionReader

UPDATES = 12_000


@pytest.fixture
def cluster(places: Places) -> Iterator[ValkeyCluster]:
    cluster = ValkeyCluster(places)
    yield cluster
    cluster.kill()


@pytest.fixture
def watched(places: Places) -> Iterator[Watched]:
    watched = Watched(places)
    yield watched
    watched.kill()


def checkpoint(valkey: LocalValkey, prefix: str) -> object:
    """Return what one server itself, primary or replica, has as the checkpoint of partition 0."""
    with redis.Redis.from_url(valkey.url, single_connection_client=True) as client:
        client.execute_command("READONLY")
        generation = client.get(f"{{{prefix}:0}}:current")
        assert isinstance(generation, bytes)
        return client.hget(f"{{{prefix}:0}}:sessions:{generation.decode()}", "")


def ended_well(deployment: Deployment, process: Process) -> None:
    """Stop the service; whoever comes next rebuilds what was lost while it was idle."""
    process.terminate()
    assert deployment.run("--until-end").wait(180) == 0
    deployment.assert_exact()
    key, snapshot = next(iter(deployment.redis_sessions()[0].items()))
    found = deployment.command("sessions", "get", key.decode())
    assert found.returncode == 0, found.stderr
    answer = SessionReader(deployment.redis_client(), deployment.names.prefix).get(key)
    assert answer == Answer([Found(0, snapshot)], frozenset())


def test_a_cluster_that_loses_writes_by_a_failover_changes_nothing(
    cluster: ValkeyCluster, kafka: KafkaAddress, tmp_path: Path
) -> None:
    """Who dies has the claims and a partition, and its replica lacks their last writes."""
    names = Names.fresh()
    while not cluster.on_first(f"{names.prefix}:0", f"{names.prefix}:claims"):
        names = Names.fresh()
    with Deployment(kafka.bootstrap_servers, cluster.url, names, tmp_path) as deployment:
        deployment.redis_client = cluster.client
        stream = updates(UPDATES, seed=5, partition=deployment.partition)
        process = deployment.run(max_batch="100")
        process.await_log("partition ready", times=deployment.partitions)
        deployment.produce(islice(stream, UPDATES // 3))
        deployment.await_processed()
        doomed, successor = cluster.primaries[0], cluster.replica
        eventually(
            "the replica has what the primary has",
            lambda: checkpoint(successor, names.prefix) == checkpoint(doomed, names.prefix),
        )

        def write() -> None:
            before = checkpoint(doomed, names.prefix)
            deployment.produce(islice(stream, UPDATES // 3))
            eventually(
                "something was acknowledged that the replica lacks",
                lambda: checkpoint(doomed, names.prefix) != before,
            )
            acknowledged.append(checkpoint(doomed, names.prefix))

        acknowledged: list[object] = []
        cluster.lose(write)
        process.await_log("server away")
        assert checkpoint(successor, names.prefix) not in {None, *acknowledged}
        assert not process.ended()
        cluster.take_over()
        deployment.produce(stream)
        deployment.await_processed()
        assert process.log.count("rebuilding the profile claims") == 2, process.log[-3000:]
        ended_well(deployment, process)


def test_a_primary_that_sentinel_replaces_changes_nothing(
    watched: Watched, kafka: KafkaAddress, names: Names, tmp_path: Path
) -> None:
    with Deployment(kafka.bootstrap_servers, watched.url, names, tmp_path) as deployment:
        deployment.redis_client = watched.client
        stream = updates(UPDATES, seed=6, partition=deployment.partition)
        process = deployment.run(max_batch="100")
        process.await_log("partition ready", times=deployment.partitions)
        deployment.produce(islice(stream, UPDATES // 2))
        watched.primary.kill()
        deployment.produce(stream)
        eventually("the replica is the primary", watched.failed_over)
        deployment.await_processed()
        assert process.log.count("rebuilding the profile claims") == 2, process.log[-3000:]
        assert watched.PASSWORD not in process.log
        ended_well(deployment, process)
