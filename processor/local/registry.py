"""Apicurio, a schema registry that speaks the Confluent API, as one local process."""

from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, Self

from processor.local.java import java, registry_program
from processor.local.ports import free_port
from processor.local.server import LocalServer, Progress, silent

_API: Final = "/apis/ccompat/v7"
_OK: Final = 200


class LocalRegistry(LocalServer):
    """A registry on 127.0.0.1 that keeps what is registered in its directory."""

    name = "Apicurio"

    @classmethod
    def start(cls, data_dir: Path, port: int = 0, *, progress: Progress = silent) -> Self:
        """Start a server (port 0: any free one) and return when it answers; keeps earlier data."""
        registry = cls(data_dir, port or free_port())
        registry.launch(progress)
        return registry

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"http://127.0.0.1:{self.port}{_API}"

    def answers(self, timeout: float) -> bool:
        """Whether a registry answers on the port."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", f"{_API}/subjects")
            return connection.getresponse().status == _OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _prepare(self) -> None:
        """Need nothing: the database makes its own file."""

    def _command(self) -> Sequence[str]:
        properties = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self.port,
            "quarkus.http.access-log.enabled": "false",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.data_dir / 'registry'}",
        }
        return [
            java(),
            *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *(f"-D{name}={value}" for name, value in properties.items()),
            *("-jar", str(registry_program())),
        ]
