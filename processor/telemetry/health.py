"""Whether the process is live (its loop turns) and ready (what it was assigned is restored)."""

from threading import Lock
from typing import Final, NamedTuple

from processor.ports.clock import SYSTEM_CLOCK, Clock

LIVE_WITHIN: Final = 60.0
"""Seconds within which the loop must have turned."""

STARTUP: Final = "startup"
"""The subject that holds readiness back from the beginning, until the loop clears it."""


class HealthVerdict(NamedTuple):
    """An answer and the JSON object that says why."""

    good: bool
    body: dict[str, object]


class Health:
    """Written by the loop's thread, read by the threads that answer probes.

    It begins live, and not ready for `STARTUP`. A subject is a short name for what a reason is
    about, such as `partition 3` or `redis`.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._turned = clock.monotonic()
        self._lock = Lock()
        self._reasons: dict[str, str] = {STARTUP: "starting"}
        self._warnings: dict[str, str] = {}

    def turned(self) -> None:
        """Say that the loop turned; owed within the time that live allows, whatever is awaited."""
        self._turned = self._clock.monotonic()

    def hold(self, subject: str, reason: str) -> None:
        """Be not ready until `clear(subject)`; to hold a subject again replaces its reason."""
        with self._lock:
            self._reasons[subject] = reason

    def warn(self, subject: str, text: str) -> None:
        """Tell of a trouble that leaves the process as ready as it was, until it is cleared."""
        with self._lock:
            self._warnings[subject] = text

    def clear(self, subject: str) -> None:
        """Forget what holds readiness back for the subject, and any warning about it."""
        with self._lock:
            self._reasons.pop(subject, None)
            self._warnings.pop(subject, None)

    def live(self) -> HealthVerdict:
        """Whether the loop turned lately; a server that is away or a restore changes nothing."""
        ago = self._clock.monotonic() - self._turned
        live = ago <= LIVE_WITHIN
        body: dict[str, object] = {"live": live, "seconds_since_turn": round(ago, 1)}
        if not live:
            body["reason"] = f"the loop has not turned for {ago:.0f} s"
        return HealthVerdict(live, body)

    def ready(self) -> HealthVerdict:
        """Whether nothing holds readiness back; with nothing assigned, nothing does."""
        with self._lock:
            reasons, warnings = dict(self._reasons), dict(self._warnings)
        return HealthVerdict(
            not reasons, {"ready": not reasons, "reasons": reasons, "warnings": warnings}
        )
