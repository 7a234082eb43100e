"""Redis over TLS: to a server, to Sentinels and the primary that they name, and to a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis_tls import Authority, tls_proxy
from valkeys import Watched, awaited, command

from processor.local.ports import free_port
from processor.local.valkey import LocalValkey
from processor.ports.sessions import CacheUnavailable
from processor.redis.connection import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.backends import ValkeyBackend
    from servers import Places

pytest_plugins = ["fakes.backends"]
pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def port(authority: Authority, valkey_backend: ValkeyBackend) -> Iterator[int]:
    with tls_proxy(valkey_backend.valkey.port, authority.server()) as port:
        yield port


def asked(url: str) -> object:
    server = Server.from_url(url, timeout=5)
    try:
        return server.ask(("SET", "a", "1"), ("GET", "a"), ("GET", "b"))
    finally:
        server.close()


def test_a_server_and_a_client_that_know_each_other(authority: Authority, port: int) -> None:
    assert asked(f"rediss://127.0.0.1:{port}/0?{authority.options()}") == [True, b"1", None]


def test_a_server_that_an_unknown_authority_vouches_for_is_not_spoken_to(port: int) -> None:
    with pytest.raises(CacheUnavailable, match=r"(?i)certificate.verify.failed"):
        asked(f"rediss://127.0.0.1:{port}/0")


def test_a_client_without_a_certificate_is_not_let_in(authority: Authority, port: int) -> None:
    with pytest.raises(CacheUnavailable):
        asked(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.ca}")


def test_a_server_with_the_certificate_of_another_address_is_not_spoken_to(
    authority: Authority, valkey_backend: ValkeyBackend
) -> None:
    elsewhere = authority.server("elsewhere", "192.0.2.1")
    with (
        tls_proxy(valkey_backend.valkey.port, elsewhere) as port,
        pytest.raises(CacheUnavailable, match="IP address mismatch"),
    ):
        asked(f"rediss://127.0.0.1:{port}/0?{authority.options()}")


def test_sentinels_and_the_primary_that_they_name(authority: Authority, places: Places) -> None:
    watched = Watched(places)
    try:
        with (
            tls_proxy(watched.primary.port, authority.server()) as primary,
            tls_proxy(
                watched.sentinel.port,
                authority.server(),
                renamed=(watched.primary.port, primary),
            ) as sentinel,
        ):
            url = f"rediss+sentinel://127.0.0.1:{sentinel}/mymaster?{authority.options()}"
            assert asked(f"{url}&sentinel_password={watched.PASSWORD}") == [True, b"1", None]
    finally:
        watched.kill()


def test_a_cluster(authority: Authority, places: Places) -> None:
    announced = free_port()
    node = LocalValkey.start(
        places.guarded("tls-cluster"),
        properties={
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
            "cluster-announce-ip": "127.0.0.1",
            "cluster-announce-port": str(announced),
        },
    )
    try:
        command(node, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        awaited("it serves", lambda: "cluster_state:ok" in str(command(node, "CLUSTER", "INFO")))
        with (
            tls_proxy(node.port, authority.server(), at=announced),
            tls_proxy(node.port, authority.server()) as first,
        ):
            url = f"rediss+cluster://127.0.0.1:{first}?{authority.options()}"
            server = Server.from_url(url)
            assert server.ask(("SET", "a", "1"), ("GET", "b")) == [True, None]
            server.close()
    finally:
        node.kill()
