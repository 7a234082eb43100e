"""Servers of a bench's own, which end with it."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.service import Place
from processor.local.kafka import LocalKafka
from processor.local.valkey import LocalValkey

SHIPPED_JVM = (
    *("-Xms1G", "-Xmx1G", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"),
)
"""What Kafka's own start scripts give."""


@contextmanager
def servers(directory: Path, partitions: int, name: str) -> Iterator[Place]:
    """Start a Kafka and a Valkey in the directory, and yield a place there.

    The broker has the options that Kafka ships: with those for tests, its pauses are the latency.
    The Valkey keeps no file: to rewrite one as it doubles takes a tenth of two cores meanwhile.
    """
    with ExitStack() as ending:
        valkey = LocalValkey.start(directory / "valkey", properties={"appendonly": "no"})
        ending.callback(valkey.stop)
        kafka = LocalKafka.start(directory / "kafka", jvm_options=SHIPPED_JVM)
        ending.callback(kafka.stop)
        ending.callback(gc.collect)  # clients in cycles would log that their broker went away
        yield Place(kafka.bootstrap_servers, valkey.url, name, partitions, directory)
