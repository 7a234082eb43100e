"""Transactions of others that nothing can be read behind, on the input and on the output."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from processor.ports.clock import Clock
from processor.ports.log import Coordination, Ends, Place, Topic
from processor.telemetry.held_up import HeldUp, OpenTransaction

HELD_UP_S: Final = 30.0
"""For how long a stable end stands before its transaction is named: ours end sooner, if need be by
their timeout."""
SAY_AGAIN_S: Final = 1800.0


@dataclass
class _Open:
    """A stable end that stands before other records."""

    offset: int
    seen: float
    seen_ms: int
    began_ms: int | None = None
    said: float | None = None


class OpenTransactions:
    """Names a transaction by where it began: the same stable end, seen half a minute apart."""

    def __init__(
        self,
        coordination: Coordination,
        topics: Callable[[Topic], str],
        servers: str,
        held_up: HeldUp,
        clock: Clock,
    ) -> None:
        """`servers` is what a command line says to reach the brokers."""
        self._coordination = coordination
        self._topics = topics
        self._servers = servers
        self._held_up = held_up
        self._clock = clock
        self._open: dict[Place, _Open] = {}

    def look(self, answers: Mapping[Place, Ends], assigned: Collection[int]) -> None:
        """Take note of what leaders answered; reads the first records of what it is to name."""
        for place in [each for each in self._open if each[1] not in assigned]:
            del self._open[place]
        now = self._clock.monotonic()
        for place, ends in answers.items():
            known = self._open.get(place)
            if known is None or known.offset != ends.stable_end or ends.stable_end >= ends.end:
                self._ended(place)
                if ends.stable_end < ends.end:
                    known = _Open(ends.stable_end, now, self._clock.now_ms())
                    self._open[place] = known
            lasts = 0.0 if place not in self._open else now - self._open[place].seen
            self._held_up.transaction_lasts(self._topics(place[0]), place[1], lasts)
        self._name(now)

    def _ended(self, place: Place) -> None:
        if self._open.pop(place, None) is not None:
            self._held_up.transaction_ended(self._topics(place[0]), place[1])

    def _name(self, now: float) -> None:
        due = {
            place: each
            for place, each in self._open.items()
            if now - each.seen >= HELD_UP_S
            and (each.said is None or now - each.said >= SAY_AGAIN_S)
        }
        unknown = {place: each.offset for place, each in due.items() if each.began_ms is None}
        found = self._coordination.timestamps(unknown) if unknown else {}
        for place, each in due.items():
            each.said = now
            if each.began_ms is None:
                each.began_ms = found.get(place, each.seen_ms)
            transaction = OpenTransaction(self._topics(place[0]), place[1], each.offset)
            self._held_up.transaction_open(transaction, each.began_ms, self._command(transaction))

    def _command(self, found: OpenTransaction) -> str:
        tool = f"kafka-transactions --bootstrap-server {self._servers}"
        place = f"--topic {found.topic} --partition {found.partition}"
        return (
            f"{tool} describe-producers {place}; {tool} abort {place} --start-offset {found.offset}"
        )
