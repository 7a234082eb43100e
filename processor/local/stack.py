"""The local stack: servers that stay up between commands and keep their data.

A Kafka, a Valkey and, where it is asked for, a schema registry.

Everything is in one directory: the data, the logs, the ports and the records of the processes.
Whatever state an earlier program left it in, `up` makes it whole and `down` ends it.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from processor.errors import LocalStackError
from processor.local.cluster import LocalCluster
from processor.local.kafka import LocalKafka
from processor.local.registry import LocalRegistry
from processor.local.server import (
    LocalServer,
    Progress,
    choose_port,
    launch_all,
    silent,
    stop_all,
)
from processor.local.valkey import LocalValkey

_STATUS_TIMEOUT = 3.0


ServerState = Literal["up", "down", "silent"]
"""Silent is one whose process lives and does not answer: it starts, is paused, or is stuck."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server of the stack; `address` is where it listens, or did when it was last up."""

    name: str
    state: ServerState
    address: str
    pid: int | None
    log: Path


@dataclass(frozen=True, slots=True)
class StackStatus:
    """All servers; `started` names those that this very `up` had to start."""

    state_dir: Path
    brokers: tuple[ServerStatus, ...]
    valkey: ServerStatus
    registry: ServerStatus | None = None
    """None where the stack has none."""
    started: tuple[str, ...] = ()

    @property
    def servers(self) -> tuple[ServerStatus, ...]:
        """All that the stack has."""
        registry = () if self.registry is None else (self.registry,)
        return (*self.brokers, self.valkey, *registry)

    @property
    def up(self) -> bool:
        """Whether all servers answer."""
        return all(each.state == "up" for each in self.servers)

    @property
    def bootstrap_servers(self) -> str:
        """The value for `PROCESSOR_BOOTSTRAP_SERVERS`."""
        return ",".join(each.address for each in self.brokers)

    @property
    def redis_url(self) -> str:
        """The value for `PROCESSOR_REDIS_URL`."""
        return self.valkey.address

    @property
    def registry_url(self) -> str | None:
        """The value for `PROCESSOR_SCHEMA_REGISTRY_URL`, None where the stack has no registry."""
        return None if self.registry is None else self.registry.address


class _Servers(NamedTuple):
    """What the directory holds, and what is to be in it."""

    kafka: LocalKafka | LocalCluster
    valkey: LocalValkey
    registry: LocalRegistry | None

    def all(self) -> tuple[LocalServer, ...]:
        registry = () if self.registry is None else (self.registry,)
        return (self.valkey, *_brokers(self.kafka), *registry)


def up(
    state_dir: Path,
    *,
    kafka_port: int,
    valkey_port: int,
    brokers: int | None = None,
    registry_port: int | None = None,
    progress: Progress = silent,
) -> StackStatus:
    """Start what does not run, repair what runs and does not answer, and return when all does.

    `brokers` is 1 or 3: how many Kafka has; None: as many as the directory holds, else one. A
    registry is started for a port, and from then on with the others.
    A port that the directory remembers is used again; else the one given (0: any) is tried, and the
    two behind it for further brokers; else a free one is taken. What already answers is left alone:
    `started` in the answer is empty then. Raises LocalStackError; what did answer stays up.
    """
    with _locked(state_dir):
        held = _servers(state_dir, brokers, with_registry=registry_port is not None)
        kafka, valkey, registry = held
        servers = held.all()
        for server in servers:
            if not server.running():
                continue
            if server.answers(_STATUS_TIMEOUT):
                progress(f"{server.name} is up")
            else:
                progress(f"{server.name} does not answer; restarting it")
                server.stop()
        if not valkey.running():
            choose_port(valkey, valkey_port, progress)
        if isinstance(kafka, LocalCluster):
            kafka.choose_ports(kafka_port, progress)
        elif not kafka.running():
            choose_port(kafka, kafka_port, progress)
        # A cluster keeps the ports of its brokers itself, and the first one's is here.
        ports = {"kafka": _brokers(kafka)[0].port, "valkey": valkey.port}
        if registry is not None:
            if not registry.running():
                choose_port(registry, registry_port or 0, progress)
            ports["registry"] = registry.port
        (state_dir / "ports.json").write_text(json.dumps(ports))
        absent = [server for server in servers if not server.running()]
        launch_all(absent, progress)
        return status(state_dir, started=tuple(server.name for server in absent))


def down(state_dir: Path) -> StackStatus:
    """End all servers and return when they are gone; their data stays. None running is fine."""
    if state_dir.is_dir():
        with _locked(state_dir):
            stop_all(_servers(state_dir).all())
    return status(state_dir)


def status(state_dir: Path, *, started: tuple[str, ...] = ()) -> StackStatus:
    """Say what runs and answers; changes nothing, and never raises for a stack that is down."""
    kafka, valkey, registry = _servers(state_dir)
    return StackStatus(
        state_dir.absolute(),
        tuple(_server_status(each, each.bootstrap_servers) for each in _brokers(kafka)),
        _server_status(valkey, valkey.url),
        None if registry is None else _server_status(registry, registry.url),
        started,
    )


def _server_status(server: LocalServer, address: str) -> ServerStatus:
    pid = server.pid
    state: ServerState = "down"
    if pid is not None:
        state = "up" if server.answers(_STATUS_TIMEOUT) else "silent"
    return ServerStatus(server.name, state, address, pid, server.log)


def _servers(
    state_dir: Path, wanted: int | None = None, *, with_registry: bool = False
) -> _Servers:
    """Return the servers at the ports that the directory remembers; 0 is none yet."""
    try:
        ports = json.loads((state_dir / "ports.json").read_text())
        kafka_port, valkey_port = int(ports["kafka"]), int(ports["valkey"])
        registry_port = int(ports.get("registry", 0))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        kafka_port = valkey_port = registry_port = 0
    cluster = LocalCluster(state_dir / "kafka")
    held = len(cluster.brokers) if cluster.exists() else 1 if kafka_port else None
    if None not in (held, wanted) and held != wanted:
        raise LocalStackError(
            f"{state_dir} holds a Kafka of {held} broker(s), not {wanted}: nothing was changed",
            hint="Leave --brokers out, or give another --state-dir. A Kafka of another size starts "
            f"empty: to have it here, run `local down` and remove {state_dir}.",
        )
    several = (held or wanted) == len(cluster.brokers)
    registry = LocalRegistry(state_dir / "registry", registry_port)
    return _Servers(
        cluster if several else LocalKafka(state_dir / "kafka", kafka_port),
        LocalValkey(state_dir / "valkey", valkey_port),
        registry if with_registry or registry_port else None,
    )


def _brokers(kafka: LocalKafka | LocalCluster) -> tuple[LocalKafka, ...]:
    return tuple(kafka.brokers.values()) if isinstance(kafka, LocalCluster) else (kafka,)


@contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    """Let one program at a time change the stack; another one waits for it."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
