"""Connections that a producer lost while a step of a transaction was under way (ADR 14).

The client sends such a step once more on another connection. What it sent before may still be on
its way, and Kafka's protocol of the first version cannot tell it from the next transaction's own.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Final

from processor.ports.log import ProducerLost

LOGGED: Final[Mapping[str, object]] = {
    # The client tells of a connection that a peer closed in no other way than by a line of its log.
    "log_level": 6,
    "log.connection.close": True,
}
_SHOWN: Final = 2
"""The log level from which lines go to stderr where the properties say nothing."""
_LEVELS: Final = (50, 50, 50, 40, 30, 20, 20, 10)
"""What the client makes of syslog's levels."""
_NOT_YET_UP: Final = re.compile(
    r" in state (INIT|DOWN|TRY_CONNECT|CONNECT|SSL_HANDSHAKE|APIVERSION_QUERY|AUTH_\w+)\b"
)
"""Of a connection that carried nothing but its own beginning."""
_UNTOLD_S: Final = 30.0
"""How long the client does not tell of a connection that is lost as the one before it was."""
_BACKOFF_MS: Final = 100.0


class Disconnects:
    """Notes lost connections, as the producer's `logger`. One thread at a time serves it."""

    def __init__(
        self,
        properties: Mapping[str, object],
        now: Callable[[], float] = monotonic,
        told: Callable[[], object] = lambda: None,
    ) -> None:
        """Take the producer's own properties: how long it waits before it sends a step again.

        `told` is called for each connection that was lost.
        """
        self._properties = properties
        self._now = now
        self._told = told
        self._late = False
        self._last: float | None = None

    def log(self, level: int, _form: str, facility: str, client: str, line: str) -> None:
        """Take a line of the client's log. Its name and form are those of Python's loggers."""
        if facility == "FAIL" and _NOT_YET_UP.search(line) is None:
            self._last = self._now()
            self._told()
        if level >= _LEVELS[int(str(self._properties.get("log_level", _SHOWN)))]:
            sys.stderr.write(f"{facility}|{client}| {line}\n")

    @contextmanager
    def noticed(self, serve: Callable[[float], object]) -> Iterator[None]:
        """Do a step inside: notice a connection that is lost meanwhile.

        `serve` is the client's `poll`, without which it tells nothing. A loss that it does not tell
        is noticed too: within `_UNTOLD_S` of another, what is sent twice takes a back-off.
        """
        serve(0)
        before, start = self._last, self._now()
        try:
            yield
        finally:
            serve(0)
            untold = before is not None and start - before < _UNTOLD_S
            again = untold and self._now() - start > self._backoff() / 2
            self._late = self._late or again or self._last != before

    def refuse_if_late(self) -> None:
        """Raise ProducerLost where something that was sent for a step may still arrive."""
        if self._late:
            raise ProducerLost(
                "beginning: a connection was lost while a transaction ended, and what was sent on "
                "it may arrive late"
            )

    def _backoff(self) -> float:
        return float(str(self._properties.get("retry.backoff.ms", _BACKOFF_MS))) / 1000
