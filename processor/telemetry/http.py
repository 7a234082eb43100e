"""One port for probes, metrics and status: `/livez`, `/readyz`, `/metrics` and `/status`."""

import json
import socket
from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from processor.errors import ConfigError
from processor.telemetry.health import Health, HealthVerdict
from processor.telemetry.status import Status

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_JSON: Final = "application/json"
_LENGTH: Final = "Content-Length"
_PATHS: Final = "/livez, /readyz, /metrics and /status are here\n"


class Endpoint:
    """The open port. Made by `open_endpoint`; it answers until `close`."""

    def __init__(self, server: WSGIServer) -> None:
        self._server = server
        self.host, self.port = str(server.server_address[0]), int(server.server_address[1])
        self._thread = Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and let go of the port, within a second. May be called again."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def open_endpoint(
    host: str, port: int, registry: CollectorRegistry, health: Health, status: Status
) -> Endpoint:
    """Open the port (0: any free one) and answer on a thread of its own; logs no request.

    Raises ConfigError where the address cannot be taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        kind = type("_FamilyServer", (_Server,), {"address_family": family})
        server = kind(address[:2], _Handler)
    except OSError as error:
        raise ConfigError(
            f"PROCESSOR_HTTP_HOST and PROCESSOR_HTTP_PORT: cannot listen on {host}:{port}: "
            f"{error.strerror}",
            hint="choose another port (0 takes any free one), or end what listens there",
        ) from None
    server.set_app(_application(registry, health, status))
    return Endpoint(server)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_port = False  # two processes on one port would answer for each other

    def server_bind(self) -> None:
        """Bind without asking a name server for our own name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = (str(part) for part in self.server_address[:2])  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is no event of ours."""


class _Handler(WSGIRequestHandler):
    timeout = 10  # a client that sends nothing gives its thread back

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        """Say nothing of a request."""


def _application(registry: CollectorRegistry, health: Health, status: Status) -> "WSGIApplication":
    metrics: WSGIApplication = make_wsgi_app(registry)
    probes = {"/livez": health.live, "/readyz": health.ready}

    def answer(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in probes:
            return _probe(start, probes[path]())
        if path == "/metrics":
            return metrics(environ, start)
        if path == "/status":
            return _reply(start, "200 OK", _JSON, json.dumps(status.body()) + "\n")
        return _reply(start, "404 Not Found", "text/plain", _PATHS)

    return _with_head(answer)


def _with_head(get: "WSGIApplication") -> "WSGIApplication":
    """Answer HEAD as GET without the body; the library of the metrics refuses it."""

    def answer(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"}:
            start("405 Method Not Allowed", [("Allow", "GET, HEAD"), (_LENGTH, "0")])
            return []
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def begin(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[..., object]:
            told.append((status, headers))
            return told.append

        body = b"".join(get({**environ, "REQUEST_METHOD": "GET"}, begin))
        ((status, headers),) = told
        start(status, [*headers, (_LENGTH, str(len(body)))])
        return [body] if method == "GET" else []

    return answer


def _probe(start: "StartResponse", verdict: HealthVerdict) -> list[bytes]:
    status = "200 OK" if verdict.good else "503 Service Unavailable"
    return _reply(start, status, _JSON, json.dumps(verdict.body) + "\n")


def _reply(start: "StartResponse", status: str, kind: str, text: str) -> list[bytes]:
    start(status, [("Content-Type", kind)])
    return [text.encode()]
