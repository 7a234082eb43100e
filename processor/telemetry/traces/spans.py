"""`Tracing` on OpenTelemetry: spans that are made once a batch is committed."""

from collections.abc import Sequence
from typing import Final

import structlog
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from processor.core.trace_context import (
    SAMPLED_DIGITS,
    TRACEPARENT,
    TraceContext,
    sampled,
)
from processor.ports.clock import Clock
from processor.ports.log import Record
from processor.ports.tracing import Sampled, TracedUpdate
from processor.telemetry.traces import conventions

_NOWHERE: Final = Context()
_log: Final = structlog.get_logger("processor")


class Spans:
    """One span a batch with sampled records, and one for each of these.

    All are made after the commit: what is aborted is read again, and is told of then. A record's
    span has the time of its batch, with which it is committed.
    """

    def __init__(self, tracer: Tracer, clock: Clock, topic: str, group: str) -> None:
        """Take the input topic, and the group that reads it."""
        self._tracer = tracer
        self._clock = clock
        self._name = f"{conventions.PROCESS} {topic}"
        self._common = {
            conventions.SYSTEM: conventions.KAFKA,
            conventions.OPERATION_NAME: conventions.PROCESS,
            conventions.OPERATION_TYPE: conventions.PROCESS,
            conventions.DESTINATION_NAME: topic,
            conventions.CONSUMER_GROUP: group,
        }
        self._failed = False

    def sampled(self, records: Sequence[Record]) -> Sequence[Sampled]:
        """Return the records whose headers say that their producers sampled them."""
        # Without a call for each record: of most the flag says no.
        flagged = [
            place
            for place, record in enumerate(records)
            for name, value in record.headers
            if name == TRACEPARENT and value and value[-1] in SAMPLED_DIGITS
        ]
        found = ((place, records[place]) for place in dict.fromkeys(flagged))
        return [
            Sampled(place, record, context)
            for place, record in found
            if (context := sampled(record.headers)) is not None
        ]

    def committed(self, updates: Sequence[TracedUpdate], records: int, seconds: float) -> None:
        """Make the spans of a batch."""
        try:
            self._make(updates, records, seconds)
        except Exception as error:  # noqa: BLE001  whatever the SDK does, the loop goes on
            if not self._failed:
                self._failed = True
                _log.warning("spans cannot be made, going on without", why=repr(error))

    def _make(self, updates: Sequence[TracedUpdate], records: int, seconds: float) -> None:
        end = self._clock.now_ms() * 1_000_000
        start = end - round(seconds * 1_000_000_000)
        producers = [_producer(each.context) for each in updates]
        batch = self._tracer.start_span(
            self._name,
            _NOWHERE,
            SpanKind.CONSUMER,
            {
                **self._common,
                conventions.BATCH_COUNT: records,
                conventions.SAMPLED: len(updates),
            },
            [Link(each) for each in producers],
            start,
        )
        for update, producer in zip(updates, producers, strict=True):
            self._record(update, producer, batch, start).end(end)
        batch.end(end)

    def _record(self, update: TracedUpdate, producer: SpanContext, batch: Span, start: int) -> Span:
        links = [Link(producer)]
        if batch.is_recording():  # a sampler may have left it out
            links.append(Link(batch.get_span_context()))
        span = self._tracer.start_span(
            self._name,
            set_span_in_context(NonRecordingSpan(producer), _NOWHERE),
            SpanKind.CONSUMER,
            {
                **self._common,
                conventions.PARTITION_ID: str(update.partition),
                conventions.KAFKA_OFFSET: update.offset,
                conventions.OUTCOME: update.outcome,
            },
            links,
            start,
        )
        if update.reason is not None:
            span.set_attribute(conventions.ERROR_TYPE, update.reason)
            span.set_status(Status(StatusCode.ERROR))
        return span


def _producer(context: TraceContext) -> SpanContext:
    return SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(context.flags),
        trace_state=TraceState.from_header([context.state]) if context.state else None,
    )
