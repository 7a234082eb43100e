"""A Kafka and a Valkey in containers, on ports of this machine that are free."""

import gc
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from processor.local.kafka import DEVELOPMENT_PROPERTIES

KAFKA_IMAGE = os.environ.get("KAFKA_IMAGE") or "apache/kafka:4.3.1"
REDIS_IMAGE = os.environ.get("REDIS_IMAGE") or "valkey/valkey:8"

_START = "/tmp/start"  # noqa: S108  in a container, where nobody else is
_WAIT_FOR_START = f"until [ -e {_START} ]; do sleep 0.1; done; . {_START}"
_PATIENCE_S = 90.0

_silence = logging.getLogger("tests.container_servers.client")
_silence.addHandler(logging.NullHandler())
_silence.propagate = False


def engine_answers() -> bool:
    """Whether a Docker engine is there."""
    with warnings.catch_warnings():
        # The library leaves the sockets open that it could not connect: they are collected here, or
        # a warning of them would fail whichever test runs when they are.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _pings()
        gc.collect()
    return answers


def _pings() -> bool:
    try:
        return bool(DockerClient().client.ping())
    except Exception:  # noqa: BLE001  whatever the library raises, there is none to be used
        return False


def as_variables(properties: dict[str, str]) -> dict[str, str]:
    """Return a broker's properties as the variables that Kafka's own image makes them from."""
    doubled = {
        name.replace("_", "__").replace("-", "___"): each for name, each in properties.items()
    }
    return {f"KAFKA_{name.replace('.', '_').upper()}": each for name, each in doubled.items()}


class Kafka(DockerContainer):
    """One broker in the image of Apache Kafka.

    A broker tells its clients an address, which is known only once the container runs: so the
    container waits for a script that says it.
    """

    def __init__(self, image: str = KAFKA_IMAGE) -> None:
        super().__init__(image)
        _publish(self, 9092)
        self.with_envs(
            **as_variables(
                {
                    **DEVELOPMENT_PROPERTIES,
                    "controller.listener.names": "CONTROLLER",
                    "controller.quorum.voters": "1@localhost:9093",
                    "inter.broker.listener.name": "INNER",
                    "listeners": "HOST://:9092,INNER://:19092,CONTROLLER://:9093",
                    "listener.security.protocol.map": (
                        "HOST:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT"
                    ),
                    "log.dirs": "/var/lib/kafka/data",
                    "node.id": "1",
                    "process.roles": "broker,controller",
                }
            ),
            KAFKA_HEAP_OPTS="-Xmx512m",
        )
        self.with_command(["bash", "-c", _WAIT_FOR_START])

    @property
    def bootstrap_servers(self) -> str:
        """What a client's `bootstrap.servers` should say."""
        return f"127.0.0.1:{self.get_exposed_port(9092)}"

    def start(self) -> Self:
        """Start the broker and return when it answers."""
        super().start()
        # The broker's transactions talk to the broker itself, which the host's port cannot serve.
        advertised = f"HOST://{self.bootstrap_servers},INNER://localhost:19092"
        script = f"export KAFKA_ADVERTISED_LISTENERS={advertised}\nexec /etc/kafka/docker/run\n"
        self.copy_into_container(script.encode(), _START, 0o755)
        client = AdminClient({"bootstrap.servers": self.bootstrap_servers}, logger=_silence)
        _await(lambda: bool(client.list_topics(timeout=1).brokers), self, KafkaException)
        return self


@contextmanager
def kafka_container() -> Iterator[str]:
    """Yield the bootstrap servers of a broker that goes with the block."""
    with Kafka() as kafka:
        yield kafka.bootstrap_servers


@contextmanager
def valkey_container() -> Iterator[str]:
    """Yield the URL of a Valkey that goes with the block."""
    options = ["valkey-server", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
    with _publish(DockerContainer(REDIS_IMAGE).with_command(options), 6379) as valkey:
        url = f"redis://127.0.0.1:{valkey.get_exposed_port(6379)}/0"
        with redis.Redis.from_url(url) as client:
            _await(lambda: bool(client.ping()), valkey, redis.ConnectionError)
        yield url


def _publish(container: DockerContainer, port: int) -> DockerContainer:
    """Give the port a free one of 127.0.0.1: the library's own way opens it to the network."""
    container.ports[str(port)] = ("127.0.0.1",)  # type: ignore[assignment]
    return container


def _await(answers: Callable[[], bool], server: DockerContainer, away: type[Exception]) -> None:
    """Return when the server answers; raise TimeoutError with its log if it does not."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if answers():
                return
        except away:
            pass
        time.sleep(0.1)
    out, err = server.get_logs()
    raise TimeoutError(f"{server.image} does not answer; it said:\n{(out + err).decode()[-4000:]}")
