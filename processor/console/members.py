"""The processes of the deployment, each asked for its status."""

import json
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from processor.console.once import Once
from processor.console.source import Deployment, Place
from processor.ports.clock import Clock

FRESH_S: Final = 1.0
"""For how long an answer serves all pages."""
_SAMPLE_S: Final = 4.0
_SAMPLES: Final = 30
_AT_ONCE: Final = 16
_TIMEOUT_S: Final = 2.0
_LARGEST: Final = 8_000_000
"""Bytes: a thousand partitions take a tenth of it."""
_OK: Final = 200
_MEMBERS: Final = "process live ready reasons warnings partitions incidents"
_OF_PARTITION: Final = (
    "partition phase reason position end lagRecords lagSeconds recordsPerSecond measuredAt "
    "lastCommitAt deadLetters restore"
)
_OF_INCIDENT: Final = "at level what about whatToDo"


class Told(NamedTuple):
    """What a process answered, or why it did not."""

    place: Place
    status: Mapping[str, Any] | None
    why: str = ""


class View(NamedTuple):
    """The deployment at one moment."""

    at: int
    """Milliseconds since 1970."""
    members: Sequence[Told]
    partitions: int | None
    fault: str
    lags: Mapping[int, Sequence[int]]
    """What the lag of a partition was, in records, the latest last."""


def ask(place: Place) -> Told:
    """Ask one process. Follows no redirect, and reads no more than a status may have."""
    try:
        if place.host not in {"", socket.gethostname()} and is_loopback(
            urlsplit(place.url).hostname or ""
        ):
            return Told(place, None, f"it answers on {place.host} alone: set its HTTP address")
        code, body = _get(place.url)
        status = json.loads(body) if code == _OK else None
        if _is_status(status):
            return Told(place, status)
        return Told(place, None, f"no process of this version answers there: HTTP {code}")
    except (OSError, HTTPException, ValueError, TypeError, RecursionError) as error:
        return Told(place, None, str(error) or type(error).__name__)


def _get(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/status")
        answer = connection.getresponse()
        return answer.status, answer.read(_LARGEST)
    finally:
        connection.close()


class Members:
    """Asks all processes at once, and remembers the lags that it saw."""

    def __init__(
        self,
        deployment: Callable[[], Deployment],
        clock: Clock,
        asking: Callable[[Place], Told] = ask,
    ) -> None:
        self._deployment = deployment
        self._ask = asking
        self._clock = clock
        self._once = Once(clock, FRESH_S)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="members")
        self._sampled = float("-inf")
        self._lags: dict[int, deque[int]] = {}

    def view(self) -> View:
        """Return the deployment as it is, or was a second ago."""
        return self._once.get("view", self._look)

    def _look(self) -> View:
        found = self._deployment()
        members = [*self._pool.map(self._ask, found.places)]
        now = self._clock.monotonic()
        if now >= self._sampled + _SAMPLE_S:
            self._sampled = now
            self._sample(members)
        lags = {partition: [*lags] for partition, lags in self._lags.items()}
        return View(self._clock.now_ms(), members, found.partitions, found.fault, lags)

    def _sample(self, members: Sequence[Told]) -> None:
        owned = set()
        for told in members:
            for each in (told.status or {}).get("partitions", ()):
                lag = each["lagRecords"]
                if lag is not None:
                    owned.add(each["partition"])
                    kept = self._lags.setdefault(each["partition"], deque(maxlen=_SAMPLES))
                    kept.append(lag)
        for gone in self._lags.keys() - owned:
            del self._lags[gone]


def _is_status(found: Any) -> bool:
    """Whether an answer has the members that pages show."""
    return (
        isinstance(found, dict)
        and found.get("schema") == 1
        and _has(found, _MEMBERS)
        and all(_has(each, _OF_PARTITION) for each in found["partitions"])
        and all(_has(each, _OF_INCIDENT) for each in found["incidents"])
    )


def _has(found: Any, names: str) -> bool:
    return isinstance(found, dict) and found.keys() >= {*names.split()}


def is_loopback(host: str) -> bool:
    """Whether an address or a name is of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
