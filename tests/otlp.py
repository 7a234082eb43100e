"""A collector for tests: takes OTLP over HTTP, decodes it by the protocol's own package."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """What has come, and what is answered."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []
        self.url = ""
        self.hanging = False
        self._answers = Event()
        self._answers.set()

    def hang(self) -> None:
        """Answer no more, until the end."""
        self._answers.clear()

    def answer(self) -> None:
        """Return once there is to be an answer."""
        self.hanging = not self._answers.is_set()
        self._answers.wait(60)

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]

    @property
    def resource(self) -> Mapping[str, Any]:
        return attributes(self.requests[0].resource_spans[0].resource)


def attributes(of: Any) -> dict[str, Any]:
    """Return what a span, a link or a resource is said to be."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    """Yield a collector that listens on a free port."""
    taken = Collector()

    class _Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = decompress(body)
            taken.answer()
            taken.requests.append(ExportTraceServiceRequest.FromString(body))
            taken.paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        taken.url = f"http://127.0.0.1:{server.server_port}"
        serving = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        try:
            yield taken
        finally:
            taken._answers.set()
            server.shutdown()
            serving.join()
