from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import KafkaAddress, Names, RedisAddress
from system.deployment import Deployment


@pytest.fixture
def deployment(
    kafka: KafkaAddress, valkey: RedisAddress, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    """The service's topics and settings on the shared servers, four partitions."""
    with Deployment(kafka.bootstrap_servers, valkey.url, names, tmp_path) as made:
        yield made
