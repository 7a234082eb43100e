"""From a producer's span to the snapshot, through a redrive: which spans there are, of what."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection

import pytest
from avro_bytes import CODECS, HEADER, SCHEMAS
from fakes.service import Service, World, partition_of
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.attributes import error_attributes, service_attributes
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import (
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from session_commands import erase
from values import NOON, an_update

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled
from processor.dead_letters.decision import Input, Redriven, decide
from processor.dead_letters.letter import in_short
from processor.ports.log import BatchAborted, Headers, Outgoing, Record, Topic
from processor.telemetry.http import open_endpoint
from processor.telemetry.traces import conventions
from processor.telemetry.traces.spans import Spans

KEY = b"7:visit"
PARTITION = partition_of(KEY)
TOPIC = "updates"
CODEC = UpdateCodec(SCHEMAS.updates, header=HEADER)
W3C = TraceContextTextMapPropagator()
NAMES = {value for name, value in vars(conventions).items() if name.isupper()}


class Traced:
    """A world whose service is traced, beside a producer that is."""

    def __init__(self, world: World, *, compiled: bool, sampler: Sampler | None = None) -> None:
        self.world = world
        self.memory = InMemorySpanExporter()
        self.service = world.service(
            compiled=compiled,
            tracing=Spans(tracer(self.memory, sampler), world.clock, TOPIC, "the-group"),
        )
        self.producer = tracer(InMemorySpanExporter(), None)

    def send(self, event: str, value: bytes | None = None) -> tuple[SpanContext, Headers]:
        """Send an update within a span of its own; return its context and its headers."""
        carrier: dict[str, str] = {}
        with self.producer.start_as_current_span("send", kind=SpanKind.PRODUCER) as span:
            W3C.inject(carrier)
        headers = [("producer", b"checkout"), *((n, t.encode()) for n, t in carrier.items())]
        self.put(headers, CODEC.write(an_update(event_id=event)) if value is None else value)
        return span.get_span_context(), headers

    def put(self, headers: Headers, value: bytes) -> None:
        record = Outgoing(Topic.UPDATES, PARTITION, NOON, KEY, value, headers)
        self.world.broker.append(record)

    def run(self) -> tuple[list[ReadableSpan], list[ReadableSpan]]:
        """Process what is there; return the spans of batches and of records that came of it."""
        self.memory.clear()
        self.service.run_until_processed()
        spans = self.memory.get_finished_spans()
        batches = [each for each in spans if conventions.BATCH_COUNT in attributes(each)]
        return batches, [each for each in spans if each not in batches]

    def read(self, topic: Topic) -> list[Record]:
        return self.world.records(topic, PARTITION)


def tracer(memory: InMemorySpanExporter, sampler: Sampler | None) -> Tracer:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return provider.get_tracer("test")


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    return dict(span.attributes or {})


def context_of(headers: Headers) -> SpanContext:
    """Return what a consumer makes of a record's headers, by OpenTelemetry's own propagator."""
    carrier = {name: (value or b"").decode() for name, value in headers}
    return get_current_span(W3C.extract(carrier)).get_span_context()


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(each.context.trace_id, each.context.span_id) for each in span.links]


def ids(context: SpanContext | None) -> tuple[int, int]:
    assert context is not None
    return context.trace_id, context.span_id


@pytest.fixture(params=CODECS)
def traced(request: pytest.FixtureRequest, world: World) -> Traced:
    compiled: Compiled | None = request.param
    return Traced(world, compiled=compiled is not None)


def test_a_trace_goes_from_the_producer_to_the_snapshot_and_through_a_redrive(
    traced: Traced,
) -> None:
    accepted, headers = traced.send("e1")
    traced.send("e1")
    wrong, _ = traced.send("", CODEC.write(an_update(event_id="")))
    traced.put([], CODEC.write(an_update(event_id="e2")))
    (batch,), records = traced.run()

    assert [attributes(each)[conventions.OUTCOME] for each in records] == [
        *("accepted", "duplicate", "rejected"),
    ]
    assert attributes(batch)[conventions.BATCH_COUNT] == 4
    assert (batch.parent, batch.kind, batch.name) == (None, SpanKind.CONSUMER, f"process {TOPIC}")
    assert links(batch) == [ids(each.parent) for each in records]
    for offset, span in enumerate(records):
        assert (span.kind, span.name) == (SpanKind.CONSUMER, f"process {TOPIC}")
        assert links(span) == [ids(span.parent), ids(batch.context)]
        found = attributes(span)
        assert found[conventions.KAFKA_OFFSET] == offset
        assert found[conventions.PARTITION_ID] == str(PARTITION)
        assert (span.start_time, span.end_time) == (batch.start_time, batch.end_time)
        assert set(found) <= NAMES
    assert ids(records[0].parent) == ids(accepted)
    assert records[2].status.status_code is StatusCode.ERROR
    assert attributes(records[2])[conventions.ERROR_TYPE] == "invalid-value"

    first, second = traced.read(Topic.SESSIONS)
    assert ids(context_of(first.headers)) == ids(accepted)
    assert list(first.headers) == [each for each in headers if each[0].startswith("trace")]
    assert not second.headers
    (letter,) = traced.read(Topic.DEAD_LETTERS)
    back = decide(letter, in_short(letter), Input(TOPIC, 4, 3), lambda *_: False)
    assert isinstance(back, Redriven)
    traced.world.broker.append(back.record)
    (again,), (redriven,) = traced.run()
    assert ids(redriven.parent) == ids(wrong) == links(again)[0]
    assert attributes(redriven)[conventions.ERROR_TYPE] == "invalid-value"
    traced.world.assert_exact()


def test_what_is_not_sampled_or_not_sound_has_no_span_and_is_processed_alike(
    traced: Traced,
) -> None:
    sound = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"
    hostile: list[Headers] = [
        [("traceparent", sound + b"0")],
        [("traceparent", (sound + b"1").upper())],
        [("traceparent", b"\xff" * 55)],
        [("traceparent", b"ff" + sound[2:] + b"1")],
        [("traceparent", b"00-" + b"0" * 32 + sound[35:] + b"1")],
        [("traceparent", None), ("tracestate", None)],
        [("traceparent", sound + b"1")] * 2,
        [("traceparent", b"1" * 100_000)],
        [("session-processor.headers-unreadable", None)],
    ]
    for at, headers in enumerate(hostile):
        traced.put(headers, CODEC.write(an_update(event_id=f"e{at}")))
    state = [("traceparent", sound + b"1"), ("tracestate", b"\xff=\x00," * 100_000)]
    traced.put(state, CODEC.write(an_update(event_id="state")))
    traced.put([*state[:1], ("tracestate", b"==,,;\t!")], CODEC.write(an_update(event_id="odd")))
    _, records = traced.run()
    assert len(records) == 1 + 1
    *others, first, odd = traced.read(Topic.SESSIONS)
    assert [len(each.headers) for each in others] == [1, *[0] * (len(hostile) - 1)]
    assert list(first.headers) == state[:1]
    assert odd.headers
    traced.world.assert_exact()


def test_a_command_has_a_span_and_names_nobody(traced: Traced) -> None:
    traced.send("e1")
    traced.send("e2", erase(KEY))
    _, records = traced.run()
    assert [attributes(each)[conventions.OUTCOME] for each in records] == ["accepted", "ended"]
    told = repr([(each.name, attributes(each)) for each in records])
    assert "visit" not in told
    assert "e1" not in told


def test_an_aborted_batch_is_told_of_once_it_is_committed(traced: Traced) -> None:
    traced.send("e1")
    failing = [BatchAborted("no")]

    def fails_once() -> None:
        if failing:
            raise failing.pop()

    traced.world.broker.at("commit", fails_once, times=2)
    batches, records = traced.run()
    assert (len(batches), len(records)) == (1, 1)


def test_a_sampler_may_leave_the_batch_out(world: World) -> None:
    traced = Traced(world, compiled=True, sampler=ParentBased(ALWAYS_OFF))
    traced.send("e1")
    batches, (record,) = traced.run()
    assert batches == []
    assert links(record) == [ids(record.parent)]


def test_the_histograms_name_the_trace_of_a_sampled_record(world: World) -> None:
    traced = Traced(world, compiled=True)
    traced.put([], CODEC.write(an_update(event_id="e1")))
    traced.run()
    assert exemplars(traced.service) == []
    context, _ = traced.send("e2")
    traced.run()
    trace_id = f'trace_id="{format_trace_id(context.trace_id)}"'
    found = exemplars(traced.service)
    assert all(trace_id in line for line in found)
    metrics = {line.split("{")[0].split(" ")[0] for line in found}
    assert metrics == {
        "session_processor_end_to_end_seconds_bucket",
        "session_processor_stage_seconds_bucket",
    }
    stages = [line for line in found if "stage=" in line]
    assert {line.split('stage="')[1].split('"')[0] for line in stages} == {
        *("decode", "load", "fold", "publish", "store"),
    }


def exemplars(service: Service) -> Sequence[str]:
    """Return the lines with one, as the endpoint writes them where OpenMetrics is asked for."""
    with closing(
        open_endpoint("127.0.0.1", 0, service.metrics.registry, service.health, service.status)
    ) as endpoint:
        connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=20)
        with closing(connection):
            accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
            connection.request("GET", "/metrics", headers=accept)
            text = connection.getresponse().read().decode()
    return [line for line in text.splitlines() if "# {" in line]


def test_what_the_sdk_raises_ends_nothing(world: World) -> None:
    def fails(*_: object) -> bool:
        raise RuntimeError

    traced = Traced(world, compiled=True)
    start: Callable[..., object] = fails
    traced.service.pipeline._tracing._tracer.start_span = start  # type: ignore[attr-defined]
    traced.send("e1")
    traced.send("e2")
    assert traced.run() == ([], [])
    world.assert_exact()


def test_the_names_are_those_of_the_conventions() -> None:
    """Those of messaging may change in any version: then so does ours, with its number."""
    theirs = {
        getattr(module, name)
        for module in (messaging_attributes, error_attributes, service_attributes)
        for name in vars(module)
        if isinstance(getattr(module, name), str)
    }
    ours = {
        value
        for name, value in vars(conventions).items()
        if name.isupper() and "." in value and not name.startswith(("VERSION", "SCHEMA"))
    }
    assert {name for name in ours - theirs if not name.startswith("session_processor.")} == set()
    assert conventions.SCHEMA_URL in {each.value for each in Schemas}
    assert messaging_attributes.MessagingSystemValues.KAFKA.value == conventions.KAFKA
    assert messaging_attributes.MessagingOperationTypeValues.PROCESS.value == conventions.PROCESS
