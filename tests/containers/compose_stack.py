"""The stack of docker-compose.yml under a name and on ports of its own."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processor.local.ports import free_port

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 900


def docker(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run one `docker` command to its end and return its output; fail with what it said."""
    return _run(["docker", *arguments], {**os.environ, **(env or {})})


@dataclass(frozen=True, slots=True)
class Stack:
    """One project of compose; nothing runs before `compose("up")`."""

    name: str = field(default_factory=lambda: f"sp-{secrets.token_hex(4)}")
    kafka_port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    prometheus_port: int = field(default_factory=free_port)
    registry_port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)

    def compose(self, *arguments: str) -> str:
        """Run one `docker compose` command and return its output."""
        return docker("compose", *arguments, env=self._environment())

    def command(self, *arguments: str) -> str:
        """Run one command of ours on the host, against the stack's published ports."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PROCESSOR_")}
        environment["PROCESSOR_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{self.kafka_port}"
        environment["PROCESSOR_REDIS_URL"] = f"redis://127.0.0.1:{self.redis_port}/0"
        return _run([sys.executable, "-m", "processor", *arguments], environment)

    def snapshots(self, limit: int) -> list[dict[str, Any]]:
        """Return the output topic's first snapshots, each partition's in order."""
        told = self.command(
            "sessions", "watch", "--from-beginning", "--limit", str(limit), "--json"
        )
        return [json.loads(line) for line in told.splitlines()]

    def containers(self, service: str) -> list[str]:
        """Return the ids of the service's running containers."""
        return self.compose("ps", "--quiet", "--status", "running", service).split()

    def published(self, container: str) -> str:
        """Return where a container of the service answers probes, as host:port."""
        return docker("port", container, "9464/tcp").split()[0]

    def _environment(self) -> dict[str, str]:
        return {
            "COMPOSE_PROJECT_NAME": self.name,
            "CONSOLE_PORT": str(self.console_port),
            "KAFKA_PORT": str(self.kafka_port),
            "PROMETHEUS_PORT": str(self.prometheus_port),
            "REDIS_PORT": str(self.redis_port),
            "REGISTRY_PORT": str(self.registry_port),
        }


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, (
        f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout
