"""Processes are asked over HTTP, by a console that trusts none of them."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from fakes.console import status

from processor.console.members import ask
from processor.console.source import Place
from processor.ports.clock import SYSTEM_CLOCK
from processor.telemetry.health import Health
from processor.telemetry.http import open_endpoint
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def answering(code: int, body: bytes, **headers: str) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_process_is_asked_for_its_status() -> None:
    metrics, health = Metrics("fastavro"), Health()
    observer = Observer(health, metrics, SYSTEM_CLOCK)
    endpoint = open_endpoint("127.0.0.1", 0, metrics.registry, health, observer.status)
    try:
        url = f"http://127.0.0.1:{endpoint.port}"
        for host in ("", socket.gethostname()):
            told = ask(Place(url, host))
            assert told.status is not None
            assert told.status["partitions"] == []
        elsewhere = ask(Place(url, "another"))
        assert (elsewhere.status, "another alone" in elsewhere.why) == (None, True)
    finally:
        endpoint.close()
    assert "refused" in ask(Place(url)).why


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (302, b""),
        (404, b"no"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"schema": 2}'),
        (200, b'{"schema": 1}'),
        (200, json.dumps(status({"partition": 0})).encode()),
        (200, json.dumps(status() | {"partitions": 7}).encode()),
        (200, b"[" * 100_000),
        (200, b"\xff"),
    ],
)
def test_what_is_no_process_is_said_to_be_none(code: int, body: bytes) -> None:
    with answering(code, body, Location="http://127.0.0.1:1/status") as url:
        told = ask(Place(url))
        assert told.status is None
        assert told.why


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1", "http:///", "http://\n"])
def test_what_is_no_url_is_no_process(url: str) -> None:
    assert ask(Place(url)).status is None
