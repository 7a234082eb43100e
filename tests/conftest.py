"""Fixtures for the servers that tests share, and for servers that a test may break.

A test that takes one of these fixtures is marked `servers` by that alone.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.service import World
from hypothesis import HealthCheck, settings
from servers import (
    BOOTSTRAP_VARIABLE,
    REDIS_VARIABLE,
    SOURCES,
    Guard,
    KafkaAddress,
    Names,
    Places,
    RedisAddress,
    local_registry,
    source,
)
from shared import run_directory, shared

from processor.local.cluster import LocalCluster
from processor.local.kafka import LocalKafka
from processor.local.registry import LocalRegistry
from processor.local.valkey import LocalValkey

# Some tests import these; for others they are plugins, which must not be imported before.
pytest.register_assert_rewrite("fakes.backends", "fakes.log_backends")

# How long an example takes hangs on what else the machine does.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", settings.get_profile("any"), max_examples=20)
settings.load_profile("any")

# A shell that runs the tests in the background has them, and so what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

_SHARED_SERVERS = {"kafka", "valkey"}
_SERVER_FIXTURES = {
    *_SHARED_SERVERS,
    *("private_kafka", "private_cluster", "private_valkey", "private_registry"),
    *("registry", "places"),
}
_CONTAINERS = Path(__file__).parent / "containers"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        choices=["auto", *SOURCES],
        default="auto",
        help=f"where Kafka and Redis come from; auto: {BOOTSTRAP_VARIABLE} and {REDIS_VARIABLE} "
        "where set, else Docker where an engine answers, else the local stack",
    )
    parser.addoption(
        "--containers",
        action="store_true",
        help="run the tests of the image and of compose, which need a Docker engine, and no others",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and _SERVER_FIXTURES & set(item.fixturenames):
            item.add_marker("servers")
        if isinstance(item, pytest.Function) and _SHARED_SERVERS & set(item.fixturenames):
            item.add_marker("shared")
    asked = config.getoption("--containers")
    others = [item for item in items if (_CONTAINERS in item.path.parents) != asked]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Directories for servers; what runs there ends with this run, however the run ends."""
    guard = Guard()
    try:
        yield Places(tmp_path_factory.mktemp, guard)
    finally:
        guard.close()


@pytest.fixture(scope="session")
def kafka(
    pytestconfig: pytest.Config, places: Places, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaAddress]:
    """The Kafka that all tests of a run share; a test uses only its own `names` there."""
    server = source(pytestconfig.getoption("--servers"), BOOTSTRAP_VARIABLE).kafka(places)
    with shared(run_directory(tmp_path_factory.getbasetemp()), "kafka", server) as address:
        yield KafkaAddress(address)


@pytest.fixture(scope="session")
def valkey(
    pytestconfig: pytest.Config, places: Places, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisAddress]:
    """The Valkey that all tests of a run share; a test uses only its own prefix there."""
    server = source(pytestconfig.getoption("--servers"), REDIS_VARIABLE).valkey(places)
    with shared(run_directory(tmp_path_factory.getbasetemp()), "redis", server) as address:
        yield RedisAddress(address)


@pytest.fixture(scope="session")
def registry(places: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the schema registry that all tests of a run share; subjects are by topic."""
    directory = run_directory(tmp_path_factory.getbasetemp())
    with shared(directory, "registry", local_registry(places)) as address:
        yield address


@pytest.fixture
def names() -> Names:
    """Names that no other test and no other run has."""
    return Names.fresh()


@pytest.fixture
def private_kafka(places: Places) -> Iterator[LocalKafka]:
    """A Kafka of this test's own, to stop, kill, pause and restart."""
    server = LocalKafka.start(places.guarded("private-kafka"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def private_cluster(places: Places) -> Iterator[LocalCluster]:
    """Three brokers of this module's own, to stop, kill and pause; each test leaves all up."""
    cluster = LocalCluster(places.directory("private-cluster") / "kafka")
    for broker in cluster.brokers.values():
        places.guard.watch(broker.data_dir)
    cluster.launch()
    yield cluster
    cluster.kill()


@pytest.fixture
def private_valkey(places: Places) -> Iterator[LocalValkey]:
    """A Valkey of this test's own, to stop, kill, pause, flush and restart."""
    server = LocalValkey.start(places.guarded("private-valkey"))
    yield server
    server.kill()


@pytest.fixture
def private_registry(places: Places) -> Iterator[LocalRegistry]:
    """A schema registry of this test's own, to stop, kill, pause and restart."""
    server = LocalRegistry.start(places.guarded("private-registry"))
    yield server
    server.kill()


@pytest.fixture
def world() -> World:
    """A broker, a Redis and a clock in memory, and services on them."""
    return World()
