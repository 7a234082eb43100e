"""Servers of a bench's own, which end with it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.service import Place
from processor.local import stack


@contextmanager
def servers(directory: Path, partitions: int, name: str) -> Iterator[Place]:
    """Start a Kafka and a Valkey in the directory, and yield a place there."""
    try:
        up = stack.up(directory / "servers", kafka_port=0, valkey_port=0)
        yield Place(up.bootstrap_servers, up.redis_url, name, partitions, directory)
    finally:
        gc.collect()  # clients in cycles would log that their broker went away
        stack.down(directory / "servers")
