"""Traces: what the loop tells of the updates that their producers sampled."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from processor.core.trace_context import TraceContext
from processor.ports.log import Record


class Sampled(NamedTuple):
    """A record that its producer sampled."""

    place: int
    """Among the records that were asked about."""
    record: Record
    context: TraceContext


class TracedUpdate(NamedTuple):
    """What became of a sampled record, in a transaction that was committed."""

    partition: int
    offset: int
    context: TraceContext
    outcome: str
    """As the metric of records by outcome has it; of commands as that of commands does."""
    reason: str | None
    """Why it was rejected."""


class Tracing(Protocol):
    """Called by the loop's thread; never raises, never blocks."""

    def sampled(self, records: Sequence[Record]) -> Sequence[Sampled]:
        """Return those that are to be told of; asked of each part of a batch before it is folded.

        For records that are not sampled it costs a look at their headers, and nothing else.
        """

    def committed(self, updates: Sequence[TracedUpdate], records: int, seconds: float) -> None:
        """Tell of a batch of so many records, of which these are sampled; never of none.

        It was committed now, so many seconds after it began.
        """


class NoTracing:
    """Traces are off: nothing is looked at."""

    def sampled(self, records: Sequence[Record]) -> Sequence[Sampled]:  # noqa: ARG002  the port's
        """Return none."""
        return ()

    def committed(self, updates: Sequence[TracedUpdate], records: int, seconds: float) -> None:
        """Do nothing."""


NO_TRACING: Final = NoTracing()
