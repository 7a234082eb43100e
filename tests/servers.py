"""Where a test run's Kafka and Redis come from, and names in them that no other test has.

A source gives addresses for as long as its context lasts. A further source is one more class with
the two methods of `Source` and one more entry in `SOURCES`.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from container_servers import engine_answers, kafka_container, valkey_container

from processor.local.kafka import LocalKafka
from processor.local.registry import LocalRegistry
from processor.local.valkey import LocalValkey

BOOTSTRAP_VARIABLE = "TEST_KAFKA_BOOTSTRAP_SERVERS"
REDIS_VARIABLE = "TEST_REDIS_URL"

_GUARD = Path(__file__).with_name("guard.py")


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    bootstrap_servers: str


@dataclass(frozen=True, slots=True)
class RedisAddress:
    url: str


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one test's own topics, group and Redis keys; nothing is created."""

    suffix: str

    @classmethod
    def fresh(cls) -> "Names":
        return cls(secrets.token_hex(5))

    @property
    def updates(self) -> str:
        return f"updates-{self.suffix}"

    @property
    def sessions(self) -> str:
        return f"sessions-{self.suffix}"

    @property
    def dead_letters(self) -> str:
        return f"dead-letters-{self.suffix}"

    @property
    def claims(self) -> str:
        return f"claims-{self.suffix}"

    @property
    def group(self) -> str:
        return f"group-{self.suffix}"

    @property
    def prefix(self) -> str:
        return f"prefix-{self.suffix}"


class Guard:
    """Has the servers in given directories killed if this process dies without doing so."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_GUARD)], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def watch(self, directory: Path) -> None:
        """To be called before a server is started in the directory."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{directory}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Let the guard look once more, and go."""
        self._process.communicate(timeout=30)


@dataclass(frozen=True, slots=True)
class Places:
    """What a source may need: fresh directories, and the guard of what runs in them."""

    directory: Callable[[str], Path]
    guard: Guard

    def guarded(self, name: str) -> Path:
        directory = self.directory(name)
        self.guard.watch(directory)
        return directory


class Source(Protocol):
    """Gives servers that stay for the whole run. Fails, never skips, where it cannot."""

    def kafka(self, places: Places) -> AbstractContextManager[str]: ...

    def valkey(self, places: Places) -> AbstractContextManager[str]: ...


class EnvServers:
    """Servers that run already, named by environment variables."""

    @contextmanager
    def kafka(self, _places: Places) -> Iterator[str]:
        yield self._value(BOOTSTRAP_VARIABLE)

    @contextmanager
    def valkey(self, _places: Places) -> Iterator[str]:
        yield self._value(REDIS_VARIABLE)

    @staticmethod
    def _value(variable: str) -> str:
        value = os.environ.get(variable, "")
        if not value:
            pytest.fail(f"--servers env needs the variable {variable}", pytrace=False)
        return value


class LocalServers:
    """Servers started for this run as plain processes, and ended with it."""

    @contextmanager
    def kafka(self, places: Places) -> Iterator[str]:
        server = LocalKafka.start(places.guarded("kafka"))
        try:
            yield server.bootstrap_servers
        finally:
            server.kill()

    @contextmanager
    def valkey(self, places: Places) -> Iterator[str]:
        server = LocalValkey.start(places.guarded("valkey"))
        try:
            yield server.url
        finally:
            server.kill()


@contextmanager
def local_registry(places: Places) -> Iterator[str]:
    """A schema registry for this run; always a plain process."""
    server = LocalRegistry.start(places.guarded("registry"))
    try:
        yield server.url
    finally:
        server.kill()


class DockerServers:
    """Servers in containers of this run, in the public images."""

    @contextmanager
    def kafka(self, _places: Places) -> Iterator[str]:
        with kafka_container() as bootstrap_servers:
            yield bootstrap_servers

    @contextmanager
    def valkey(self, _places: Places) -> Iterator[str]:
        with valkey_container() as url:
            yield url


SOURCES: dict[str, Source] = {
    "env": EnvServers(),
    "docker": DockerServers(),
    "local": LocalServers(),
}


def source(choice: str, variable: str) -> Source:
    """Return what `--servers` forces; else what the environment names, then Docker, then local."""
    if choice == "auto" and os.environ.get(variable):
        choice = "env"
    elif choice == "auto":
        choice = "docker" if engine_answers() else "local"
    return SOURCES[choice]
