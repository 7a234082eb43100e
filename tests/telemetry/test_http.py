"""The port that answers probes and scrapes."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from processor.config import load
from processor.errors import ConfigError
from processor.ports.clock import SYSTEM_CLOCK
from processor.telemetry.health import STARTUP, Health
from processor.telemetry.http import Endpoint, open_endpoint
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer


@pytest.fixture
def health() -> Health:
    return Health()


def opened(host: str = "127.0.0.1", port: int = 0, health: Health | None = None) -> Endpoint:
    health, metrics = health or Health(), Metrics("fastavro")
    status = Observer(health, metrics, SYSTEM_CLOCK).status
    return open_endpoint(host, port, metrics.registry, health, status)


@pytest.fixture
def endpoint(health: Health) -> Iterator[Endpoint]:
    with closing(opened(health=health)) as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        *((path, "HEAD", 200) for path in ("/metrics", "/metrics?name[]=up", "/livez")),
        ("/readyz", "HEAD", 503),
        ("/", "HEAD", 404),
        ("/metrics/", "HEAD", 404),
        *(("/metrics", method, 405) for method in ("POST", "PUT", "OPTIONS", "DELETE")),
    ],
)
def test_head_is_get_without_the_body(
    endpoint: Endpoint, path: str, method: str, status: int
) -> None:
    connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=5)
    with closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        headers = dict(answer.getheaders())
        assert (answer.status, answer.read()) == (status, b"")
        connection.close()
        if status == 405:
            assert headers["Allow"] == "GET, HEAD"
            return
        connection.request("GET", path)
        full = connection.getresponse()
        body = full.read()
        assert full.status == status
        assert headers["Content-Type"] == full.getheader("Content-Type")
        assert full.getheader("Content-Length") == str(len(body))
        if path == "/metrics":  # what the process uses is told, too, and has moved on
            assert int(headers["Content-Length"]) > 1_000
        else:
            assert headers["Content-Length"] == str(len(body))


def ask(endpoint: Endpoint, path: str, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metrics_are_served(endpoint: Endpoint) -> None:
    status, body = ask(endpoint, "/metrics")
    assert status == 200
    assert 'session_processor_records_total{outcome="accepted"} 0.0' in body


def test_readiness_is_served_with_its_reasons(endpoint: Endpoint, health: Health) -> None:
    status, body = ask(endpoint, "/readyz")
    assert status == 503
    assert json.loads(body)["reasons"] == {STARTUP: "starting"}
    health.clear(STARTUP)
    assert ask(endpoint, "/readyz")[0] == 200


def test_liveness_is_served(endpoint: Endpoint) -> None:
    status, body = ask(endpoint, "/livez?verbose")
    assert status == 200
    assert json.loads(body)["live"] is True


def test_status_is_served(endpoint: Endpoint) -> None:
    status, body = ask(endpoint, "/status")
    assert status == 200
    assert json.loads(body)["reasons"] == {STARTUP: "starting"}


def test_other_paths_are_refused(endpoint: Endpoint) -> None:
    assert ask(endpoint, "/")[0] == 404


def test_a_request_is_not_logged(endpoint: Endpoint, capfd: pytest.CaptureFixture[str]) -> None:
    ask(endpoint, "/livez")
    with socket.create_connection(("127.0.0.1", endpoint.port)) as rude:
        rude.sendall(b"\x00\xff not http\r\n\r\n")
        rude.recv(1000)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("host", [None, "0.0.0.0"])  # noqa: S104  it is told to
def test_other_machines_reach_it_only_where_it_is_told_to(
    host: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second address of this machine stands for what others would come in by."""
    monkeypatch.delenv("PROCESSOR_HTTP_HOST", raising=False)
    monkeypatch.chdir(tmp_path)
    settings = load({} if host is None else {"http_host": host}).settings
    with closing(opened(settings.http_host)) as endpoint:
        assert ask(endpoint, "/livez")[0] == 200
        with socket.socket() as other:
            assert (other.connect_ex(("127.0.0.2", endpoint.port)) == 0) == (host is not None)


def test_a_port_that_is_taken_is_the_users_to_mend(endpoint: Endpoint) -> None:
    with pytest.raises(ConfigError, match="PROCESSOR_HTTP_PORT") as caught:
        opened(port=endpoint.port)
    assert "another port" in caught.value.hint


def test_a_host_that_is_not_ours_is_the_users_to_mend() -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        opened("192.0.2.1")


def test_the_port_is_free_again_after_close(endpoint: Endpoint) -> None:
    ask(endpoint, "/livez")
    endpoint.close()
    with closing(opened(port=endpoint.port)) as next_:
        assert ask(next_, "/livez")[0] == 200
