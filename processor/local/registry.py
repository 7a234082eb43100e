"""Apicurio, a schema registry that speaks the Confluent API, as one local process."""

import tarfile
import tempfile
from collections.abc import Sequence
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from processor.errors import LocalStackError
from processor.local.java import INSTALL_HINT, SMALL_JVM, downloading, java
from processor.local.server import LocalServer

REGISTRY_VERSION: Final = "3.0.9"
_API: Final = "/apis/ccompat/v7"
_OK: Final = 200


class LocalRegistry(LocalServer):
    """A registry on 127.0.0.1 that keeps what is registered in its directory."""

    name = "Apicurio"

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
            *SMALL_JVM,
            *(f"-D{name}={value}" for name, value in properties.items()),
            *("-jar", str(registry_program())),
        ]


@cache
def registry_program(version: str = REGISTRY_VERSION) -> Path:
    """Return the jar that starts Apicurio, beside what it needs; downloads what is not cached."""
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError as absent:
        raise LocalStackError(
            "the local registry needs the package jgo (it finds Apicurio's jars)", hint=INSTALL_HINT
        ) from absent

    group, artifact = "io.apicurio", "apicurio-registry-app"
    context = MavenContext(
        repo_cache=GlobalSettings.load().repo_cache, remote_repos={"central": MAVEN_CENTRAL_URL}
    )
    with downloading(f"{group}:{artifact}:{version}"):
        component = context.project(group, artifact).at_version(version)
        archive = Path(component.artifact("all", "tar.gz").resolve())
        unpacked = archive.with_name(f"{artifact}-{version}-all")
        if not unpacked.is_dir():
            with tempfile.TemporaryDirectory(dir=archive.parent) as fresh:
                with tarfile.open(archive) as packed:
                    packed.extractall(fresh, filter="data")
                Path(fresh).rename(unpacked)
                Path(fresh).mkdir()  # for the context, which removes it
    return unpacked / f"{artifact}-{version}-runner.jar"
