"""Spans on their way out: counted, and never waited for."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

Count = Callable[[str, int], None]
"""Is told an outcome, `exported`, `failed` or `dropped`, and of how many spans."""
_log: Final = structlog.get_logger("processor")


class LastWords(logging.Handler):
    """Keeps the last line of the exporters' own log, which says something at each attempt."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.text = record.getMessage()


class CountedExporter(SpanExporter):
    """Counts what an exporter makes of spans; says once that it fails, and once that it works."""

    def __init__(self, exporter: SpanExporter, count: Count, last_words: LastWords) -> None:
        self._exporter = exporter
        self._count = count
        self._last_words = last_words
        self._failing = False
        self.taken = 0
        """How many spans it was given. Written by the thread that exports alone."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand spans over; whatever happens, they are not seen again."""
        self.taken += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001  another's code, on a thread of its own
            result, self._last_words.text = SpanExportResult.FAILURE, repr(error)
        failed = result is not SpanExportResult.SUCCESS
        self._count("failed" if failed else "exported", len(spans))
        if failed and not self._failing:
            _log.warning(
                "spans are not taken, going on without them",
                why=self._last_words.text,
                hint="look at the collector and at OTEL_EXPORTER_OTLP_ENDPOINT",
            )
        elif self._failing and not failed:
            _log.info("spans are taken again")
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """Let go of the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have the exporter send what it holds."""
        return self._exporter.force_flush(timeout_millis)


class BoundedQueue(SpanProcessor):
    """Spans before a batch processor: what finds its queue full is counted and goes nowhere."""

    def __init__(self, exporter: CountedExporter, count: Count, room: int) -> None:
        self._exporter = exporter
        self._count = count
        self._room = room
        self._batches = BatchSpanProcessor(exporter, max_queue_size=room)
        self._given = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, where there is room."""
        if self._given - self._exporter.taken >= self._room:
            self._count("dropped", 1)
        else:
            self._given += 1
            self._batches.on_end(span)

    def shutdown(self) -> None:
        """Send what is queued, however long that takes."""
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # says nothing of its types

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued."""
        return self._batches.force_flush(timeout_millis)
