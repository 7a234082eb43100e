"""The image's health check, against the real endpoint."""

from contextlib import closing

from prometheus_client import CollectorRegistry

from processor.config import Settings
from processor.ports.clock import SYSTEM_CLOCK
from processor.telemetry.health import STARTUP, Health
from processor.telemetry.http import open_endpoint
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer
from processor.telemetry.probe import PORT, ask


def test_it_says_what_the_endpoint_says() -> None:
    health = Health()
    status = Observer(health, Metrics("fastavro"), SYSTEM_CLOCK).status
    with closing(open_endpoint("127.0.0.1", 0, CollectorRegistry(), health, status)) as endpoint:
        ready, said = ask(endpoint.port)
        assert not ready
        assert "starting" in said
        health.clear(STARTUP)
        assert ask(endpoint.port)[0]
    ready, said = ask(endpoint.port)
    assert not ready
    assert str(endpoint.port) in said


def test_its_port_is_that_of_the_settings() -> None:
    assert Settings.model_fields["http_port"].default == PORT
