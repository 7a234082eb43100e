"""The service as a process, with a collector that takes its spans and then does not answer."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from otlp import Collector, attributes, collector
from system.deployment import Deployment
from system.process import eventually
from values import NOON, an_update

from processor.avro.codec import UpdateCodec
from processor.avro.schemas import load_schemas
from processor.demo.traffic import DemoUpdate
from processor.local.ports import free_port

KEY = b"7:visit"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = (
    ("traceparent", f"00-{TRACE}-{SPAN}-01".encode()),
    ("tracestate", b"vendor=1"),
)


def send(deployment: Deployment, event: str) -> None:
    value = UpdateCodec(load_schemas().updates).write(an_update(event_id=event))
    deployment.produce([DemoUpdate(KEY, value, (("of", b"ours"), *CONTEXT), NOON, 0)])


def outcomes(taken: Collector) -> list[object]:
    found = [attributes(each).get("session_processor.outcome") for each in taken.spans]
    return [each for each in found if each is not None]


def test_a_trace_goes_through_a_redrive_and_a_collector_that_hangs_holds_up_no_end(
    deployment: Deployment,
) -> None:
    with collector() as taken:
        deployment.environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": taken.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        process = deployment.run()
        send(deployment, "e1")
        send(deployment, "")
        eventually("both are told of", lambda: len(outcomes(taken)) == 2)
        sent = deployment.command("dead-letters", "redrive", "--yes")
        assert sent.returncode == 0, sent.stderr
        eventually("so is the redrive", lambda: outcomes(taken)[2:] == ["rejected"])
        assert outcomes(taken) == ["accepted", "rejected", "rejected"]
        records = [each for each in taken.spans if each.parent_span_id]
        assert {(each.trace_id.hex(), each.parent_span_id.hex()) for each in records} == {
            (TRACE, SPAN)
        }
        (snapshot,) = deployment.read(deployment.names.sessions)[0]
        assert snapshot.headers == CONTEXT
        for letter in deployment.read(deployment.names.dead_letters)[0]:
            assert letter.headers[: 1 + len(CONTEXT)] == (("of", b"ours"), *CONTEXT)
        taken.hang()
        send(deployment, "e2")
        eventually("it waits for the collector", lambda: taken.hanging)
        deployment.await_processed()
        process.terminate()
    assert "spans are not taken" not in process.log


OTELCOL = shutil.which("otelcol") or shutil.which("otelcol-contrib")
_CONFIG = """\
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{otlphttp: {{endpoint: "{url}"}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlphttp]}}}}
"""


@contextmanager
def passed_through_otelcol(onto: Collector, directory: Path) -> Iterator[str]:
    """Yield the address of OpenTelemetry's own collector, which sends on what it takes."""
    port = free_port()
    config = directory / "otelcol.yaml"
    config.write_text(_CONFIG.format(port=port, url=onto.url))
    with subprocess.Popen([str(OTELCOL), "--config", str(config)]) as running:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


@pytest.mark.skipif(OTELCOL is None, reason="there is no otelcol on the path")
def test_opentelemetrys_collector_takes_the_spans(deployment: Deployment, tmp_path: Path) -> None:
    with collector() as taken, passed_through_otelcol(taken, tmp_path) as url:
        deployment.environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        process = deployment.run()
        send(deployment, "e1")
        eventually("it is told of", lambda: outcomes(taken) == ["accepted"])
        (record,) = [each for each in taken.spans if each.parent_span_id]
        assert (record.trace_id.hex(), record.parent_span_id.hex()) == (TRACE, SPAN)
        assert taken.resource["service.name"] == "session-processor"
        process.terminate()
