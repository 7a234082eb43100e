"""What the standard variables make of traces, and what becomes of spans on their way out."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Event

import pytest
from fakes.clock import FakeClock
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from otlp import Collector, attributes, collector
from structlog.testing import capture_logs
from system.process import eventually
from values import NOON

from processor.core.trace_context import TraceContext
from processor.local.ports import free_port
from processor.ports.tracing import NO_TRACING, TracedUpdate, Tracing
from processor.telemetry.metrics import PREFIX, Metrics
from processor.telemetry.traces.export import BoundedQueue, CountedExporter, LastWords
from processor.telemetry.traces.setup import exporters, traces

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UPDATE = TracedUpdate(2, 17, TraceContext(TRACE, SPAN, 1, "vendor=1"), "accepted", None)
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("fastavro")


@pytest.fixture
def taking() -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No `OTEL_*` variable of whoever runs the tests."""
    for name in [each for each in os.environ if each.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def opened(metrics: Metrics) -> AbstractContextManager[Tracing]:
    return traces(os.environ, metrics, FakeClock(day_ms=NOON), "updates", "the-group")


def counted(metrics: Metrics, outcome: str) -> float | None:
    return metrics.registry.get_sample_value(f"{PREFIX}_spans_total", {"outcome": outcome})


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "carts", "OTEL_TRACES_SAMPLER": "always_on"}, []),
        ({ENDPOINT: ""}, []),
        ({ENDPOINT: "http://c:4318"}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, ["otlp_proto_http"]),
        ({ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        (
            {
                ENDPOINT: "http://c:4318",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            ["otlp_proto_http"],
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": " console , otlp"}, ["console", "otlp_proto_http"]),
        ({ENDPOINT: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, []),
        ({ENDPOINT: "http://c:4318", "OTEL_SDK_DISABLED": "True"}, []),
        ({ENDPOINT: "http://c:4318", "OTEL_SDK_DISABLED": "no"}, ["otlp_proto_http"]),
    ],
    ids=str,
)
def test_the_standard_variables_say_whether_there_are_traces(
    environment: Mapping[str, str], names: list[str]
) -> None:
    assert exporters(environment) == names


def test_where_nothing_asks_for_traces_the_sdk_is_not_touched(
    variables: pytest.MonkeyPatch, metrics: Metrics
) -> None:
    variables.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with capture_logs() as logs, opened(metrics) as tracing:
        assert tracing is NO_TRACING
    assert logs == []


@pytest.mark.parametrize(
    ("changes", "module", "says"),
    [
        ({}, "opentelemetry.sdk.trace", "pip install 'session-processor[otel]'"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "", "no exporter zipkin is installed"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "opentelemetry-exporter-otlp-proto-grpc"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "many"}, "", "'many'"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "", "max_queue_size"),
    ],
    ids=str,
)
def test_traces_that_cannot_be_had_are_told_of_and_stop_nothing(
    variables: pytest.MonkeyPatch,
    metrics: Metrics,
    changes: Mapping[str, str],
    module: str,
    says: str,
) -> None:
    for name, value in {ENDPOINT: "http://127.0.0.1:9", **changes}.items():
        variables.setenv(name, value)
    if module:
        variables.setitem(sys.modules, module, None)
    with capture_logs() as logs, opened(metrics) as tracing:
        assert tracing is NO_TRACING
    (line,) = logs
    assert line["log_level"] == "warning"
    assert says in str(line)


def test_a_collector_is_sent_what_was_told_before_the_end(
    variables: pytest.MonkeyPatch, metrics: Metrics, taking: Collector
) -> None:
    variables.setenv(ENDPOINT, taking.url)
    variables.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with opened(metrics) as tracing:
        tracing.committed([UPDATE], 4, 0.25)
    eventually("both are sent", lambda: len(taking.spans) == 2)
    assert set(taking.paths) == {"/v1/traces"}
    record, batch = taking.spans
    assert (record.trace_id.hex(), record.parent_span_id.hex()) == (TRACE, SPAN)
    assert (record.trace_state, record.kind) == ("vendor=1", record.SPAN_KIND_CONSUMER)
    assert [each.span_id for each in record.links] == [bytes.fromhex(SPAN), batch.span_id]
    assert record.end_time_unix_nano - record.start_time_unix_nano == 250_000_000
    assert attributes(record)["messaging.kafka.offset"] == 17
    assert attributes(batch)["messaging.batch.message_count"] == 4
    assert taking.resource["service.name"] == "session-processor"
    assert taking.resource["deployment.environment.name"] == "test"
    eventually("both are counted", lambda: counted(metrics, "exported") == 2)


def test_a_services_name_is_the_users_to_give(
    variables: pytest.MonkeyPatch, metrics: Metrics, taking: Collector
) -> None:
    variables.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", taking.url + "/here")
    variables.setenv("OTEL_SERVICE_NAME", "carts")
    with opened(metrics) as tracing:
        tracing.committed([UPDATE], 1, 0.0)
    eventually("both are sent", lambda: len(taking.spans) == 2)
    assert (set(taking.paths), taking.resource["service.name"]) == ({"/here"}, "carts")


def test_a_collector_that_is_away_is_told_of_once(
    variables: pytest.MonkeyPatch, metrics: Metrics
) -> None:
    variables.setenv(ENDPOINT, f"http://127.0.0.1:{free_port()}")
    variables.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    variables.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    with capture_logs() as logs, opened(metrics) as tracing:
        for told in (2, 4):
            tracing.committed([UPDATE], 1, 0.0)
            eventually("they are lost", lambda: counted(metrics, "failed") == told)  # noqa: B023
    lost = [each for each in logs if each["event"].startswith("spans are not taken")]
    assert [each["log_level"] for each in lost] == ["warning"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in lost[0]["hint"]


class _Stuck(SpanExporter):
    """Answers once it may."""

    def __init__(self) -> None:
        self.begun, self.may = Event(), Event()
        self.fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.begun.set()
        self.may.wait(60)
        if self.fails:
            raise OSError(len(spans))
        return SpanExportResult.SUCCESS


def test_what_finds_no_room_is_counted_and_never_waited_for(
    variables: pytest.MonkeyPatch, metrics: Metrics
) -> None:
    variables.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    stuck = _Stuck()
    provider = TracerProvider(shutdown_on_exit=False)
    counting = CountedExporter(stuck, metrics.spans, LastWords())
    provider.add_span_processor(BoundedQueue(counting, metrics.spans, 8))
    tracer = provider.get_tracer("test")
    tracer.start_span("first").end()
    assert stuck.begun.wait(30)
    for _ in range(20):
        tracer.start_span("next").end()
    assert counted(metrics, "dropped") == 12
    stuck.fails = True
    stuck.may.set()
    provider.shutdown()
    assert (counted(metrics, "failed"), counted(metrics, "exported")) == (9, 0)
    with capture_logs() as logs:
        stuck.fails = False
        counting.export([])
        counting.export([])
    assert [each["event"] for each in logs] == ["spans are taken again"]
