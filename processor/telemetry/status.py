"""What `GET /status` answers: the process, each of its partitions, and what went wrong lately.

`schemas/Status.schema.json` is its schema. No key and no payload is ever in it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, NamedTuple

from processor.core.outcome import Reason
from processor.ports.clock import Clock
from processor.ports.instants import iso_time
from processor.telemetry.health import Health
from processor.telemetry.incidents import Incident, Incidents
from processor.telemetry.metrics import Lag

OWNED: Final = "owned"
TAKING_OVER: Final = "taking over"
BEING_TAKEN_OVER: Final = "being taken over"
"""Why a partition is not ready, before more can be told."""
RESTORING: Final = "restoring"
HALTED: Final = "halted"
AWAITING_SCHEMA: Final = "waiting for a schema"
DAMAGED: Final = "damaged"
STALLED: Final = "stalled"
PHASES: Final = (RESTORING, TAKING_OVER, HALTED, AWAITING_SCHEMA, DAMAGED, STALLED, OWNED)
"""The first that applies is told."""


class Restoring(NamedTuple):
    """How far a restore is, in output offsets, and the seconds that it may still take."""

    done: int
    total: int
    per_second: float
    seconds_left: float | None


@dataclass(slots=True)
class _Partition:
    """What is known of an assigned partition. Times are in milliseconds since 1970."""

    reasons: dict[str, str] = field(default_factory=lambda: {TAKING_OVER: BEING_TAKEN_OVER})
    restoring: Restoring | None = None
    position: int | None = None
    end: int | None = None
    lag: Lag | None = None
    per_second: float | None = None
    measured_at: int | None = None
    committed_at: int | None = None
    dead_letters: Counter[Reason] = field(default_factory=Counter)

    @property
    def phase(self) -> str:
        return next((each for each in PHASES if each in self.reasons), OWNED)


class Status:
    """Written by the loop's thread, read by the endpoint's. Never raises, never blocks."""

    def __init__(self, clock: Clock, health: Health, incidents: Incidents) -> None:
        self._clock = clock
        self._health = health
        self._incidents = incidents
        self._lock = Lock()
        self._partitions: dict[int, _Partition] = {}
        self._process: dict[str, object] = {"since": iso_time(clock.now_ms()), "member": None}

    def process(self, **about: object) -> None:
        """Say what the process is: its version, codec, group, member."""
        with self._lock:
            self._process |= about

    def assigned(self, gone: Iterable[int], come: Iterable[int]) -> None:
        """Forget partitions that are somebody else's, and begin with others."""
        with self._lock:
            for partition in gone:
                self._partitions.pop(partition, None)
            for partition in come:
                self._partitions[partition] = _Partition()

    def enter(self, partition: int, phase: str, why: str) -> None:
        """Say that a partition is in one of `PHASES`, and why."""
        with self._lock:
            if partition in self._partitions:
                self._partitions[partition].reasons[phase] = why

    def leave(self, partition: int, *phases: str) -> None:
        """Say that a partition is in these phases no more."""
        with self._lock:
            if partition in self._partitions:
                for phase in phases:
                    self._partitions[partition].reasons.pop(phase, None)

    def restoring(self, partition: int, restoring: Restoring, why: str) -> None:
        """Say how far a restore is."""
        with self._lock:
            if partition in self._partitions:
                of = self._partitions[partition]
                of.restoring, of.reasons[RESTORING] = restoring, why

    def committed(self, partitions: Iterable[int], letters: Iterable[tuple[int, Reason]]) -> None:
        """Note a committed batch, and its dead letters by partition and reason."""
        now = self._clock.now_ms()
        with self._lock:
            for partition in partitions:
                if partition in self._partitions:
                    self._partitions[partition].committed_at = now
            for partition, reason in letters:
                if partition in self._partitions:
                    self._partitions[partition].dead_letters[reason] += 1

    def measured(self, partition: int, position: int, end: int, lag: Lag) -> None:
        """Note where a partition is, in input offsets, and how far behind."""
        now = self._clock.now_ms()
        with self._lock:
            of = self._partitions.get(partition)
            if of is None:
                return
            if of.position is not None and of.measured_at is not None and now > of.measured_at:
                moved = max(0, position - of.position)
                of.per_second = round(moved * 1000 / (now - of.measured_at), 1)
            of.position, of.end, of.lag, of.measured_at = position, end, lag, now

    def body(self) -> dict[str, object]:
        """Return it all, as the JSON object that is answered."""
        live, ready = self._health.live(), self._health.ready()
        with self._lock:
            process = dict(self._process)
            partitions = [_partition(each, of) for each, of in sorted(self._partitions.items())]
        return {
            "schema": 1,
            "now": iso_time(self._clock.now_ms()),
            "process": process,
            "live": live.good,
            "ready": ready.good,
            "reasons": ready.body["reasons"],
            "warnings": ready.body["warnings"],
            "partitions": partitions,
            "incidents": [_incident(each) for each in self._incidents.last()],
        }


def _partition(number: int, of: _Partition) -> dict[str, object]:
    restoring = of.restoring if of.phase == RESTORING else None
    return {
        "partition": number,
        "phase": of.phase,
        "reason": of.reasons.get(of.phase),
        "position": of.position,
        "end": of.end,
        "lagRecords": None if of.lag is None else of.lag.records,
        "lagSeconds": None if of.lag is None else round(of.lag.seconds, 3),
        "recordsPerSecond": of.per_second,
        "measuredAt": _time(of.measured_at),
        "lastCommitAt": _time(of.committed_at),
        "deadLetters": {reason.value: count for reason, count in sorted(of.dead_letters.items())},
        "restore": None
        if restoring is None
        else {
            "done": restoring.done,
            "total": restoring.total,
            "perSecond": round(restoring.per_second, 1),
            "secondsLeft": restoring.seconds_left,
        },
    }


def _incident(incident: Incident) -> dict[str, object]:
    return {
        "at": iso_time(incident.at),
        "level": incident.level,
        "what": incident.what,
        "about": _plain(incident.about),
        "whatToDo": incident.remedy,
    }


def _plain(about: Mapping[str, object]) -> dict[str, Any]:
    """Return it as JSON has it."""
    return {
        name: value
        if isinstance(value, int | float | str)
        else [*value]
        if isinstance(value, Collection)
        else str(value)
        for name, value in about.items()
    }


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso_time(milliseconds)
