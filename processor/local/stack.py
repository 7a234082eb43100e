"""The local stack: one Kafka and one Valkey that stay up between commands and keep their data.

Everything is in one directory: the data, the logs, the ports and the records of the processes.
Whatever state an earlier program left it in, `up` makes it whole and `down` ends it.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from processor.local.kafka import LocalKafka
from processor.local.ports import free_port, is_free
from processor.local.server import LocalServer, Progress, silent
from processor.local.valkey import LocalValkey

DEFAULT_STATE_DIR = Path(".local")
KAFKA_PORT = 9092
VALKEY_PORT = 6379

_STATUS_TIMEOUT = 3.0


class ServerState(StrEnum):
    """What can be seen of a server from outside."""

    UP = "up"
    DOWN = "down"
    SILENT = "silent"  # the process lives and does not answer: starting, paused or stuck


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
    """Both servers; `started` names those that this very `up` had to start."""

    state_dir: Path
    kafka: ServerStatus
    valkey: ServerStatus
    started: tuple[str, ...] = ()

    @property
    def up(self) -> bool:
        """Whether both servers answer."""
        return all(each.state is ServerState.UP for each in (self.kafka, self.valkey))

    @property
    def bootstrap_servers(self) -> str:
        """The value for `PROCESSOR_BOOTSTRAP_SERVERS`."""
        return self.kafka.address

    @property
    def redis_url(self) -> str:
        """The value for `PROCESSOR_REDIS_URL`."""
        return self.valkey.address


def up(
    state_dir: Path = DEFAULT_STATE_DIR,
    *,
    kafka_port: int = KAFKA_PORT,
    valkey_port: int = VALKEY_PORT,
    progress: Progress = silent,
) -> StackStatus:
    """Start what does not run, repair what runs and does not answer, and return when all does.

    A port that the directory remembers is used again; else the one given (0: any) is tried; else a
    free one is taken. What already answers is left alone: `started` in the answer is empty then.
    Raises LocalStackError; a server that did answer stays up.
    """
    with _locked(state_dir):
        kafka, valkey = _servers(state_dir)
        started = []
        for server, wanted in ((valkey, valkey_port), (kafka, kafka_port)):
            if server.running() and server.answers(_STATUS_TIMEOUT):
                progress(f"{server.name} is up")
                continue
            if server.running():
                progress(f"{server.name} does not answer; restarting it")
                server.stop()
            server.port = _port(server, wanted, progress)
            _remember(state_dir, kafka, valkey)
            server.launch(progress)
            started.append(server.name)
        return _status(state_dir, tuple(started))


def down(state_dir: Path = DEFAULT_STATE_DIR) -> StackStatus:
    """End both servers and return when they are gone; their data stays. None running is fine."""
    if not state_dir.is_dir():
        return _status(state_dir)
    with _locked(state_dir):
        for server in _servers(state_dir):
            server.stop()
        return _status(state_dir)


def status(state_dir: Path = DEFAULT_STATE_DIR) -> StackStatus:
    """Say what runs and answers; changes nothing, and never raises for a stack that is down."""
    return _status(state_dir)


def _status(state_dir: Path, started: tuple[str, ...] = ()) -> StackStatus:
    kafka, valkey = _servers(state_dir)
    return StackStatus(
        state_dir.absolute(),
        _server_status(kafka, kafka.bootstrap_servers),
        _server_status(valkey, valkey.url),
        started,
    )


def _server_status(server: LocalServer, address: str) -> ServerStatus:
    pid = server.pid
    if pid is None:
        state = ServerState.DOWN
    else:
        state = ServerState.UP if server.answers(_STATUS_TIMEOUT) else ServerState.SILENT
    return ServerStatus(server.name, state, address, pid, server.log)


def _servers(state_dir: Path) -> tuple[LocalKafka, LocalValkey]:
    """Return both servers at the ports that the directory remembers; 0 is none yet."""
    try:
        ports = json.loads((state_dir / "ports.json").read_text())
        kafka_port, valkey_port = int(ports["kafka"]), int(ports["valkey"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        kafka_port = valkey_port = 0
    return (
        LocalKafka(state_dir / "kafka", kafka_port),
        LocalValkey(state_dir / "valkey", valkey_port),
    )


def _remember(state_dir: Path, kafka: LocalKafka, valkey: LocalValkey) -> None:
    ports = {"kafka": kafka.port, "valkey": valkey.port}
    (state_dir / "ports.json").write_text(json.dumps(ports))


def _port(server: LocalServer, wanted: int, progress: Progress) -> int:
    preferred = server.port or wanted
    if preferred and is_free(preferred):
        return preferred
    port = free_port()
    if preferred:
        progress(f"port {preferred} is taken; {server.name} listens on {port}")
    return port


@contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    """Let one program at a time change the stack; another one waits for it."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
