import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from secured_kafka import ADMIN, PROCESSOR, SecuredKafka
from servers import KafkaAddress, Names, Places, RedisAddress
from shared import run_directory, shared
from system.deployment import Deployment
from system.granted import revoke_all
from system.planted import PLANTED

from processor.local.kafka import LocalKafka
from processor.local.ports import free_port
from processor.local.valkey import LocalValkey

OLDEST_KAFKA = "3.9.2"


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


@pytest.fixture
def oldest(
    places: Places, private_valkey: LocalValkey, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    """The service on the oldest broker that is supported, with a Redis of its own."""
    server = LocalKafka.start(places.guarded("oldest-kafka"), version=OLDEST_KAFKA)
    try:
        with Deployment(server.bootstrap_servers, private_valkey.url, names, tmp_path) as made:
            # A killed owner is missed sooner.
            sooner = {"session.timeout.ms": "2000", "heartbeat.interval.ms": "500"}
            made.environment["PROCESSOR_KAFKA"] = json.dumps(sooner)
            yield made
    finally:
        server.kill()


@pytest.fixture(scope="session")
def secured_kafka(
    places: Places, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecuredKafka]:
    """A Kafka with TLS, SCRAM and ACLs, shared by all tests of a run as `kafka` is."""
    passwords = {ADMIN: "admin-password", PROCESSOR: PLANTED["sasl"]}

    @contextmanager
    def started() -> Iterator[str]:
        server = SecuredKafka(places.guarded("secured-kafka"), free_port(), passwords)
        server.launch()
        try:
            yield f"{server.port} {server.data_dir}"
        finally:
            server.kill()

    with shared(run_directory(tmp_path_factory.getbasetemp()), "secured-kafka", started()) as found:
        port, _, directory = found.partition(" ")
        yield SecuredKafka(Path(directory), int(port), passwords)


@pytest.fixture
def secured(
    secured_kafka: SecuredKafka, private_valkey: LocalValkey, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    """The service as a user who may do nothing as yet, by SCRAM over TLS, on one partition."""
    made = Deployment(
        secured_kafka.bootstrap_servers,
        private_valkey.url,
        names,
        tmp_path,
        1,
        client=secured_kafka.client(),
    )
    properties = secured_kafka.client(PROCESSOR)
    password = tmp_path / "password"
    password.write_text(properties.pop("sasl.password") + "\n")
    del properties["bootstrap.servers"]
    # A killed owner is missed sooner.
    properties |= {"session.timeout.ms": "2000", "heartbeat.interval.ms": "500"}
    made.environment["PROCESSOR_KAFKA"] = json.dumps(properties)
    made.environment["PROCESSOR_KAFKA_SASL_PASSWORD_FILE"] = str(password)
    with made:
        yield made
    revoke_all(made.admin, names)
