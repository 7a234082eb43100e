"""One process of the service under measurement, on topics of its own."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import psutil  # type: ignore[import-untyped]  # it ships no types
from prometheus_client.parser import text_string_to_metric_families

from bench.program import Program
from processor.bootstrap.adapters import cluster_of
from processor.config import Settings
from processor.kafka.topics import create
from processor.local.ports import free_port

CODEC = "PROCESSOR_CODEC"

_ANSWER_S = 5.0
_START_S = 120.0


class Sample(NamedTuple):
    """What was seen at one moment: `at` is monotonic, `records` the sum over outcomes."""

    at: float
    records: float
    cpu_seconds: float
    rss_bytes: int


@dataclass(frozen=True)
class Place:
    """Servers, and the names under which one scenario uses them."""

    bootstrap: str
    redis_url: str
    name: str
    partitions: int
    directory: Path
    updates: str | None = None
    """The input topic; one of the place's own where it is not given."""
    settings_given: Mapping[str, str] = field(default_factory=dict)
    """Further settings of the service, by their names in the environment."""

    def again(self, name: str, **settings: object) -> "Place":
        """Return a place that reads the same input under names of its own, with more settings."""
        given = {f"PROCESSOR_{each.upper()}": str(value) for each, value in settings.items()}
        return replace(
            self,
            name=f"{self.name}-{name}",
            updates=self.settings.updates_topic,
            settings_given={**self.settings_given, **given},
        )

    @property
    def settings(self) -> Settings:
        return Settings(
            bootstrap_servers=self.bootstrap,
            redis_url=self.redis_url,
            group_id=self.name,
            updates_topic=self.updates or f"{self.name}-updates",
            dead_letters_topic=f"{self.name}-dead-letters",
            sessions_topic=f"{self.name}-sessions",
        )

    def create_topics(self) -> None:
        settings = self.settings
        create(cluster_of(settings), settings.max_snapshot_bytes, self.partitions)

    @property
    def environment(self) -> dict[str, str]:
        """Only what is given here, and the codec: the caller's others would skew the figures."""
        own = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("PROCESSOR_") or name == CODEC
        }
        settings = self.settings
        names = (
            "bootstrap_servers",
            "redis_url",
            "group_id",
            "updates_topic",
            "sessions_topic",
            "dead_letters_topic",
        )
        given = {f"PROCESSOR_{name.upper()}": str(getattr(settings, name)) for name in names}
        return {**own, **given, "PROCESSOR_LOG_FORMAT": "json", **self.settings_given}


class Service:
    """`session-processor run` as a process; as a context, it has ended when the context does."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self._port = free_port()
        number = sum(1 for _ in place.directory.glob(f"{place.name}-*.log"))
        self._program = Program(
            "the service",
            [sys.executable, "-m", "processor", "run", *arguments],
            {**place.environment, "PROCESSOR_HTTP_PORT": str(self._port)},
            place.directory / f"{place.name}-{number}.log",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._program.stop()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL."""
        self._program.kill()

    def running(self) -> bool:
        return self._program.ended() is None

    def sample(self) -> Sample | None:
        """Return what is seen now; None before the endpoint is open and after the process ended."""
        try:
            metrics = self._get("/metrics")
            cpu, memory = self._program.now()
        except (OSError, psutil.Error):
            return None
        records = sum(
            each.value
            for family in text_string_to_metric_families(metrics)
            for each in family.samples
            if each.name == "session_processor_records_total"
        )
        return Sample(time.monotonic(), records, cpu, memory)

    def owned(self) -> frozenset[int]:
        """Return the partitions that it owns and has restored; none before the endpoint is open."""
        try:
            metrics = self._get("/metrics")
        except OSError:
            return frozenset()
        return frozenset(
            int(each.labels["partition"])
            for family in text_string_to_metric_families(metrics)
            for each in family.samples
            if each.name == "session_processor_lag_records"
        )

    def await_ready(self) -> None:
        """Return once everything assigned is restored; more than nothing is assigned by then."""
        deadline = time.monotonic() + _START_S
        while not (self.events("partition ready") and self._ready()):
            self.check(deadline)
            time.sleep(0.02)

    def check(self, deadline: float) -> None:
        """Raise, with the end of the log, for a process that failed or is late."""
        code = self._program.ended()
        if code or time.monotonic() > deadline:
            raise self._program.failed("is late" if code is None else f"ended with {code}")

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """Return the log's lines of this event."""
        found = []
        for line in self._program.log().splitlines():
            if name in line and line.startswith("{"):
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # still being written
                if event.get("event") == name:
                    found.append(event)
        return found

    def _ready(self) -> bool:
        try:
            self._get("/readyz")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> str:
        url = f"http://127.0.0.1:{self._port}{path}"
        with urllib.request.urlopen(url, timeout=_ANSWER_S) as answer:
            return str(answer.read().decode())


def moment(event: Mapping[str, Any]) -> float:
    """Return when a log line was written, in seconds since 1970."""
    return datetime.fromisoformat(str(event["timestamp"])).timestamp()
