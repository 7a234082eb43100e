"""A deployment for the console, in memory: what its processes answer, and what commands would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from processor.console.members import Told
from processor.console.source import Deployment, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.console.source import Options

HALTED = "halted: 12 dead letters in a row; look with `session-processor dead-letters summary`"


def partition(number: int, **more: Any) -> dict[str, Any]:
    """Return what a process says of a partition."""
    return {
        "partition": number,
        "phase": "owned",
        "reason": None,
        "position": 100,
        "end": 100,
        "lagRecords": 0,
        "lagSeconds": 0.0,
        "recordsPerSecond": 10.0,
        "measuredAt": "2026-01-01T00:00:00.000Z",
        "lastCommitAt": None,
        "deadLetters": {},
        "restore": None,
        **more,
    }


def status(*partitions: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return what a process answers."""
    return {
        "schema": 1,
        "now": "2026-01-01T00:00:00.000Z",
        "process": {
            "version": "0.1.0",
            "codec": "compiled",
            "group": "g",
            "member": "member-1",
            "since": "2026-01-01T00:00:00.000Z",
        },
        "live": True,
        "ready": True,
        "reasons": {},
        "warnings": {},
        "partitions": [*partitions],
        "incidents": [],
        **more,
    }


def incident(what: str, **about: Any) -> dict[str, Any]:
    """Return one of a status's incidents."""
    return {
        "at": "2026-01-01T00:00:00.000Z",
        "level": "warning",
        "what": what,
        "about": about,
        "whatToDo": "nothing",
    }


class FakeSource:
    """A Source in memory. `asked` counts what was asked; documents are there to be changed."""

    def __init__(self, *statuses: dict[str, Any] | None, partitions: int | None = None) -> None:
        self.statuses = {f"http://node-{at}:9464": each for at, each in enumerate(statuses)}
        self.count = partitions
        self.fault = ""
        self.asked: list[str] = []
        self.documents: dict[str, Any] = {}

    def asking(self, place: Place) -> Told:
        """Answer for a process."""
        self.asked.append(place.url)
        found = self.statuses[place.url]
        return Told(place, found, "" if found else "Connection refused")

    def deployment(self) -> Deployment:
        self.asked.append("deployment")
        return Deployment([*map(Place, self.statuses)], self.count, self.fault)

    def session(self, key: str) -> Any:
        return self._answer("session", key)

    def history(self, key: str, as_of: str | None) -> Any:
        return self._answer("history", key, as_of)

    def letters(self, options: Options) -> Any:
        return self._answer("letters", options)

    def letter(self, place: str) -> Any:
        return self._answer("letter", place)

    def redrive(self, options: Options) -> Any:
        return self._answer("redrive", options)

    def replays(self) -> Any:
        return self._answer("replays")

    def replay(self, name: str) -> Any:
        return self._answer("replay", name)

    def difference(self, name: str) -> Any:
        return self._answer("difference", name)

    def topics(self) -> Any:
        return self._answer("topics")

    def schemas(self) -> Any:
        return self._answer("schemas")

    def offsets(self) -> Any:
        return self._answer("offsets")

    def _answer(self, what: str, *about: object) -> Any:
        self.asked.append(" ".join(map(str, (what, *about))))
        found = self.documents[what]
        if isinstance(found, Exception):
            raise found
        return found
