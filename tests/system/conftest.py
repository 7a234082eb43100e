from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import KafkaAddress, Names, RedisAddress
from system.deployment import Deployment

from processor.local.valkey import LocalValkey


@pytest.fixture
def deployment(
    kafka: KafkaAddress, valkey: RedisAddress, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    """The service on the shared servers, four partitions."""
    with Deployment(kafka.bootstrap_servers, valkey.url, names, tmp_path) as made:
        yield made


@pytest.fixture
def flushable(
    kafka: KafkaAddress, private_valkey: LocalValkey, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    """The service with a Redis of its own, to flush and restart."""
    with Deployment(kafka.bootstrap_servers, private_valkey.url, names, tmp_path) as made:
        yield made
