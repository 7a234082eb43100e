"""What went wrong lately, each with what an operator does about it."""

from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import Final, NamedTuple

import structlog

from processor.ports.clock import Clock

KEPT: Final = 200
"""How many are remembered."""
REMEDIES: Final[Mapping[str, str]] = {
    "batch aborted, reading it again": (
        "nothing, if it is seldom: the batch is read again; often: look at session_processor_"
        "aborts_total and at the brokers"
    ),
    "batch not committed in time, taking smaller ones": (
        "nothing: batches shrink until they can be committed; look for a quota or slow brokers"
    ),
    "producer lost, replacing it": (
        "nothing, if it is seldom; often: look for processes that pause past their session timeout"
    ),
    "cache lost, restoring it": (
        "nothing: it is restored from the output topic; look for who deletes keys, if Redis was "
        "not lost"
    ),
    "server away, waiting for it": "bring the server back: the process goes on by itself",
    "partition waits for a schema": (
        "register the schema that the record names: the partition goes on within a minute"
    ),
    "snapshots that cannot be read are kept for ever": (
        "add the schema that they were written with to PROCESSOR_SCHEMAS_DIR"
    ),
    "sweep left off, trying again later": "nothing: the next sweep begins anew",
    "fetch renewed": "nothing, unless it is told of the same partition again",
    "still stalled, renewing the consumer": (
        'see "a partition is stalled" in docs/operations/runbooks.md'
    ),
}
"""What to do, where an incident does not bring its own `hint`."""
HALT_HINT: Final = (
    "look with `session-processor dead-letters summary` and `dead-letters list`, mend the producer "
    "or the schemas, then start the process again: it goes on where the partition stands"
)
"""What an operator does about a halted partition."""
_log: Final = structlog.get_logger("processor")


class Incident(NamedTuple):
    """Something that the log was told as a warning or an error."""

    at: int
    """In milliseconds since 1970."""
    level: str
    """`warning` or `error`."""
    what: str
    about: Mapping[str, object]
    """The partition, the server, why, and so on, as in the log; no key and no payload."""
    remedy: str


class Incidents:
    """The last ones, written by the loop's thread and read by the endpoint's. Never raises."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept = deque[Incident](maxlen=KEPT)
        self._lock = Lock()

    def warning(self, what: str, **about: object) -> None:
        """Log a warning, and remember it."""
        _log.warning(what, **about)
        self._keep("warning", what, about)

    def error(self, what: str, **about: object) -> None:
        """Log an error, and remember it."""
        _log.error(what, **about)
        self._keep("error", what, about)

    def last(self) -> list[Incident]:
        """Return those that are remembered, the latest first."""
        with self._lock:
            return list(reversed(self._kept))

    def _keep(self, level: str, what: str, about: dict[str, object]) -> None:
        remedy = str(about.pop("hint", "") or REMEDIES[what])
        with self._lock:
            self._kept.append(Incident(self._clock.now_ms(), level, what, about, remedy))
