"""Kafka or Redis away under load: the process lives, says why, does not spin, and goes on."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Event, Thread

import pytest
from servers import Names, RedisAddress
from system.deployment import Deployment
from system.process import Process, eventually

from processor.demo.traffic import updates
from processor.local.kafka import LocalKafka
from processor.local.valkey import LocalValkey

SPINNING = 0.4
"""The share of a core that waiting may not use; a loop without a wait uses a whole one."""
MEASURED_S = 3.0
REPLACED = "producer lost, replacing it"
RESTARTS = int(os.environ.get("RESTARTS", "1"))


@pytest.fixture
def fragile(
    private_kafka: LocalKafka, valkey: RedisAddress, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    """The service with a Kafka that the test may take away."""
    with Deployment(private_kafka.bootstrap_servers, valkey.url, names, tmp_path) as made:
        yield made


@contextmanager
def living(process: Process) -> Iterator[None]:
    """See that the process says it lives, asked again and again while inside."""
    ended, answers = Event(), list[bool]()

    def ask() -> None:
        while not ended.wait(0.1):
            answers.append(process.probe("/livez")[0])

    thread = Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert len(answers) > 5
    assert all(answers)


@contextmanager
def resting(process: Process) -> Iterator[None]:
    """See that the process uses little of a core while inside, which is some seconds long."""
    used, begin = process.cpu_seconds(), time.monotonic()
    yield
    eventually("enough is measured", lambda: time.monotonic() - begin >= MEASURED_S)
    share = (process.cpu_seconds() - used) / (time.monotonic() - begin)
    assert share < SPINNING, f"{share:.2f} of a core"


def warned(process: Process, server: str) -> bool:
    return server in process.probe("/readyz")[1]["warnings"]


def test_a_kafka_that_is_deaf_and_then_gone(fragile: Deployment, private_kafka: LocalKafka) -> None:
    stream = updates(5_000, seed=31, partition=fragile.partition)
    process = fragile.run(max_batch="50")
    process.await_log("partition ready", times=4)
    fragile.produce(islice(stream, 2_000))
    eventually("the load runs", lambda: sum(fragile.committed().values()) > 0)
    with living(process):
        private_kafka.pause()
        with resting(process):
            eventually(
                "it waits for an answer",
                lambda: process.probe("/livez")[1]["seconds_since_turn"] > 1,
            )
        private_kafka.resume()
        fragile.produce(islice(stream, 1_500))
        fragile.await_processed()

        private_kafka.kill()
        with resting(process):
            eventually("it says why", lambda: warned(process, "kafka"))
            process.await_log("server=kafka")
        private_kafka.launch()
        fragile.produce(stream)
        fragile.await_processed()
        eventually("it is content", lambda: process.ready() and not warned(process, "kafka"))
    process.terminate()
    fragile.assert_exact()


def test_a_restart_of_kafka_costs_one_new_producer_at_most(
    fragile: Deployment, private_kafka: LocalKafka
) -> None:
    """Whatever the step of a transaction that it interrupts."""
    stream = updates(1_600 * RESTARTS, seed=33, partition=fragile.partition)
    process = fragile.run(max_batch="20")
    process.await_log("partition ready", times=4)
    for _ in range(RESTARTS):
        enough = sum(fragile.committed().values()) + 100
        fragile.produce(islice(stream, 1_500))
        eventually("the load runs", lambda: sum(fragile.committed().values()) > enough)  # noqa: B023  called within the turn
        replaced = process.log.count(REPLACED)
        private_kafka.kill()
        private_kafka.launch()
        fragile.produce(islice(stream, 100))
        fragile.await_processed()
        assert process.log.count(REPLACED) - replaced <= 1
    process.terminate()
    fragile.assert_exact()


def test_a_redis_that_is_gone_and_comes_back_without_its_data(
    flushable: Deployment, private_valkey: LocalValkey
) -> None:
    """With its data nothing is rebuilt; without, everything is."""
    stream = updates(9_000, seed=32, partition=flushable.partition)
    process = flushable.run(max_batch="20")
    process.await_log("partition ready", times=4)
    rebuilt = flushable.partitions
    for loses_all in (False, True):
        before = sum(flushable.committed().values())
        flushable.produce(islice(stream, 3_000))
        eventually("the load runs", lambda: sum(flushable.committed().values()) > before)  # noqa: B023  called within the turn
        with living(process):
            private_valkey.kill()
            with resting(process):
                eventually("it says why", lambda: warned(process, "redis"))
            assert sum(flushable.committed().values()) < before + 3_000
            if loses_all:
                shutil.rmtree(private_valkey.data_dir / "appendonlydir")
                rebuilt += flushable.partitions
            private_valkey.launch()
            flushable.await_processed()
            eventually("it is content", lambda: process.ready() and not warned(process, "redis"))
        assert process.log.count("rebuilding the cache") == rebuilt
    assert process.log.count("server=redis") >= 4  # away and back, twice
    process.terminate()
    flushable.assert_exact()
