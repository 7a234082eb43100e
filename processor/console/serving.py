"""The console's port: taken, or refused with what to do; answered until a signal ends it."""

import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from processor.console.members import is_loopback
from processor.console.security import Guarded
from processor.errors import ConfigError

LOCAL_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  to be refused without a name
_CONNECTIONS: Final = 100
_FORM: Final = "a line NAME:PASSWORD for each user"


def names_of(host: str, names: Sequence[str]) -> frozenset[str]:
    """Return the names that browsers may know the console by. Raises ConfigError for too few."""
    if host in _ANY and not names:
        raise ConfigError(
            f"--host {host} has no name, and nothing says which the console is known by",
            hint="give --allow-host NAME, as in a browser's address, for each",
        )
    return LOCAL_NAMES | {name.lower().strip("[]") for name in [*names, host]}


def users_of(host: str, file: Path | None, *, behind_proxy: bool) -> dict[str, str]:
    """Return the passwords of a file by user, none where there is no file.

    Raises ConfigError, which tells no password, for a bad file, and where anybody might ask.
    """
    if file is None:
        if not (is_loopback(host) or behind_proxy):
            raise ConfigError(
                f"--host {host} is for others too, and nothing says who may ask",
                hint=f"give --password-file FILE, with {_FORM}; or --behind-proxy where a proxy "
                "asks who it is, and nobody else reaches this port",
            )
        return {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"--password-file {file}: {why}", hint="name a file") from None
    users = {}
    for number, line in enumerate(lines, 1):
        name, _, users[name] = line.partition(":")
        if line and not (name and users[name]):
            where = f"--password-file {file}: line {number}"
            raise ConfigError(f"{where} is not NAME:PASSWORD", hint=_FORM)
    users.pop("", None)
    if not users:
        raise ConfigError(f"--password-file {file} names nobody", hint=_FORM)
    return users


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that has the port (0: any free one). Raises ConfigError."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"--host and --port: cannot listen on {host}:{port}: {error.strerror}",
            hint="choose another port (0 takes any free one), or end what listens there",
        ) from None
    return made


def serve(app: Guarded, listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=3,
    )
    with listener:
        _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends by a signal as by its own wish, so that the command ends with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        former = {
            each: signal.signal(each, self.handle_exit) for each in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for each, action in former.items():
                signal.signal(each, action)
