"""Traces as the standard variables ask for them: `OTEL_*`, and no setting of ours.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. The SDK reads
those of samplers, limits, queues, resources and exporters by itself. One default differs: where no
variable names an exporter or an endpoint, traces are off.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from threading import Thread
from typing import TYPE_CHECKING, Final

import structlog

from processor import __version__
from processor.ports.clock import Clock
from processor.ports.tracing import NO_TRACING, Tracing
from processor.telemetry.metrics import Metrics
from processor.telemetry.traces import conventions

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

FLUSH_S: Final = 1.0
"""How long the end of the process waits for spans: it has ten seconds in all."""
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_QUEUE: Final = 2_048
"""Spans that may wait, unless OTEL_BSP_MAX_QUEUE_SIZE says otherwise."""
_GRPC: Final = "otlp_proto_grpc"
_SERVICE: Final = "session-processor"
_log: Final = structlog.get_logger("processor")


@contextmanager
def traces(
    environment: Mapping[str, str], metrics: Metrics, clock: Clock, topic: str, group: str
) -> Iterator[Tracing]:
    """Yield what tells of batches while inside; at the end what is queued is sent, for a second.

    Traces stop nothing: where they cannot be had, a warning says why, and there are none.
    """
    names = exporters(environment)
    if not names:
        yield NO_TRACING
        return
    try:
        provider = _provider(environment, names, metrics)
    except ImportError as error:
        _log.warning(
            "there are no traces: OTEL_* variables ask for them, and a package is missing",
            why=str(error),
            hint="run `pip install 'session-processor[otel]'`, or set OTEL_SDK_DISABLED=true",
        )
        yield NO_TRACING
        return
    except Exception as error:  # noqa: BLE001  the SDK raises what it likes for a wrong variable
        _log.warning("there are no traces: an OTEL_* variable cannot be used", why=str(error))
        yield NO_TRACING
        return
    from processor.telemetry.traces.spans import Spans

    _log.info("traces are on", exporters=names, conventions=conventions.VERSION)
    tracer = provider.get_tracer(_SERVICE, __version__, conventions.SCHEMA_URL)
    try:
        yield Spans(tracer, clock, topic, group)
    finally:
        # Daemonic: a collector that does not answer is left behind.
        flushing = Thread(target=provider.shutdown, name="flush-spans", daemon=True)
        flushing.start()
        flushing.join(FLUSH_S)


def exporters(environment: Mapping[str, str]) -> list[str]:
    """Return the exporters that are asked for, by the names that their packages give them."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    asked = environment.get("OTEL_TRACES_EXPORTER", "")
    names = [each.strip() for each in asked.split(",") if each.strip()]
    if not names and any(environment.get(each) for each in _ENDPOINTS):
        names = ["otlp"]
    if "none" in names:
        return []
    protocol = next((said for each in _PROTOCOLS if (said := environment.get(each))), "")
    otlp = _GRPC if protocol.strip() == "grpc" else "otlp_proto_http"
    return [otlp if each == "otlp" else each for each in names]


def _provider(
    environment: Mapping[str, str], names: list[str], metrics: Metrics
) -> "TracerProvider":
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from processor.telemetry.traces.export import BoundedQueue, CountedExporter, LastWords

    last_words = LastWords()
    theirs = logging.getLogger("opentelemetry.exporter")
    theirs.handlers, theirs.propagate = [last_words], False
    ours = {conventions.SERVICE_VERSION: __version__}
    resource = Resource.create(ours)
    if str(resource.attributes.get(conventions.SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({conventions.SERVICE_NAME: _SERVICE}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    room = int(environment.get("OTEL_BSP_MAX_QUEUE_SIZE") or _QUEUE)
    for made in [_exporter(each) for each in names]:
        counted = CountedExporter(made, metrics.spans, last_words)
        provider.add_span_processor(BoundedQueue(counted, metrics.spans, room))
    return provider


def _exporter(name: str) -> "SpanExporter":
    for found in entry_points(group="opentelemetry_traces_exporter", name=name):
        made: SpanExporter = found.load()()
        return made
    remedy = (
        "`pip install opentelemetry-exporter-otlp-proto-grpc`" if name == _GRPC else "its package"
    )
    raise LookupError(f"no exporter {name} is installed: run {remedy}, or name another one")
