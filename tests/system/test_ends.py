"""Idle partitions are rebuilt, and `run --until-end` ends where markers stand at the end."""

import json
import time

import redis
from confluent_kafka import Producer, TopicPartition
from system.deployment import Deployment
from system.process import eventually

from processor.demo.traffic import updates
from processor.local.valkey import LocalValkey

REBUILT_WITHIN_S = 10.0


def test_an_idle_partition_is_rebuilt_after_a_flush(
    flushable: Deployment, private_valkey: LocalValkey
) -> None:
    """No update comes, and yet `sessions get` finds again what it found before."""
    flushable.produce(updates(1_000, seed=51, partition=flushable.partition))
    process = flushable.run()
    flushable.await_processed()
    oracle = flushable.assert_exact()
    key = next(each.key for each in oracle[2].snapshots).decode()
    before = flushable.command("sessions", "get", key, "--json")
    assert json.loads(before.stdout)["integrationId"] == key.partition(":")[2]
    client = redis.Redis.from_url(private_valkey.url)
    client.flushall()
    begin = time.monotonic()
    eventually(
        "every partition is rebuilt",
        lambda: process.log.count("rebuilding the cache") == 2 * flushable.partitions,
    )
    eventually("ready", process.ready)
    assert time.monotonic() - begin <= REBUILT_WITHIN_S
    client.close()
    assert flushable.command("sessions", "get", key, "--json").stdout == before.stdout
    flushable.assert_exact()
    process.terminate()


def produce_in_transactions(deployment: Deployment, count: int, seed: int) -> None:
    """Produce in transactions of a few updates, every third of them aborted, the last one too."""
    producer = Producer(
        {
            "bootstrap.servers": deployment.bootstrap,
            "transactional.id": f"writer-{deployment.names.suffix}",
        }
    )
    producer.init_transactions(30)
    stream = list(updates(count, seed=seed, partition=deployment.partition))
    chunks = [stream[at : at + 50] for at in range(0, count, 50)]
    for number, chunk in enumerate(chunks):
        producer.begin_transaction()
        for update in chunk:
            assert update.partition is not None
            producer.produce(
                deployment.names.updates,
                update.value,
                key=update.key,
                partition=update.partition,
                timestamp=update.timestamp,
                headers=list(update.headers),
            )
        if number % 3 == 2 or chunk is chunks[-1]:
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)


def test_until_end_passes_aborted_records_and_markers(deployment: Deployment) -> None:
    """The last record that can be read stands well below the end."""
    produce_in_transactions(deployment, 1_000, seed=52)
    process = deployment.run("--until-end")
    assert process.wait(180) == 0, process.log[-3000:]
    oracle = deployment.assert_exact()
    assert 300 < sum(len(each.snapshots) for each in oracle.values()) < 700
    again = deployment.run("--until-end")
    assert again.wait(180) == 0, again.log[-3000:]
    deployment.assert_exact()


def test_a_log_that_retention_emptied_behind_markers_is_gone_on_with(
    deployment: Deployment,
) -> None:
    """While it runs it commits the markers that it passed; so none is lag, and none can expire."""
    produce_in_transactions(deployment, 300, seed=54)
    process = deployment.run()
    deployment.await_processed(30.0)
    process.terminate()
    names = deployment.names
    places = [TopicPartition(names.updates, each, -1) for each in deployment.committed()]
    for future in deployment.admin.delete_records(places).values():
        assert future.result(10).low_watermark > 0
    before = sum(map(len, deployment.read(names.sessions).values()))
    deployment.produce(updates(300, seed=55, partition=deployment.partition))
    again = deployment.run("--until-end")
    assert again.wait(180) == 0, again.log[-3000:]
    assert sum(map(len, deployment.read(names.sessions).values())) > before


def test_two_processes_until_end(deployment: Deployment) -> None:
    """Each is content with what the other one did."""
    produce_in_transactions(deployment, 4_000, seed=53)
    processes = [deployment.run("--until-end", max_batch="20") for _ in range(2)]
    assert [each.wait(180) for each in processes] == [0, 0], processes[0].log[-3000:]
    deployment.assert_exact()
