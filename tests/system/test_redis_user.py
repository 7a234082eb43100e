"""The service over TLS, as a user with the documented rights in Redis, and with one less."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from documented import rule
from redis_tls import Authority, tls_proxy
from servers import KafkaAddress, Names
from system.deployment import Deployment
from valkeys import command

from processor.demo.traffic import updates
from processor.local.valkey import LocalValkey

PASSWORD = "planted"  # noqa: S105


@pytest.fixture
def restricted(
    kafka: KafkaAddress, private_valkey: LocalValkey, names: Names, tmp_path: Path
) -> Iterator[Deployment]:
    authority = Authority(tmp_path / "authority")
    with tls_proxy(private_valkey.port, authority.server()) as port:
        url = f"rediss://processor:{PASSWORD}@127.0.0.1:{port}/0?{authority.options()}"
        with Deployment(kafka.bootstrap_servers, url, names, tmp_path) as made:
            made.redis_client = partial(redis.Redis.from_url, private_valkey.url)
            yield made


def test_the_service_runs_with_exactly_the_documented_rights(
    restricted: Deployment, private_valkey: LocalValkey
) -> None:
    """It consumes, claims, restores after a loss; and without one of them it ends with code 7."""
    allowed = rule("processor").under(restricted.names.prefix)
    command(private_valkey, *allowed.arguments("processor", PASSWORD))
    restricted.produce(updates(2_000, seed=4, partition=restricted.partition))
    process = restricted.run("--until-end")
    assert process.wait(180) == 0, process.log[-3000:]
    command(private_valkey, "FLUSHALL")
    process = restricted.run("--until-end")
    assert process.wait(180) == 0, process.log[-3000:]
    restricted.assert_exact()
    found = restricted.command("sessions", "get", "1:none")
    assert "there is no session 1:none" in found.stderr

    command(private_valkey, "FLUSHALL")
    command(private_valkey, *allowed.without("+unlink").arguments("processor", PASSWORD))
    process = restricted.run("--until-end")
    assert process.wait(180) == 7, process.log[-3000:]
    assert "'unlink'" in process.log
    assert PASSWORD not in process.log


def test_a_database_that_does_not_exist_ends_the_service(flushable: Deployment) -> None:
    """Waiting would never make it."""
    process = flushable.run(redis_url=flushable.environment["PROCESSOR_REDIS_URL"][:-1] + "99")
    assert process.wait(180) == 3, process.log[-3000:]
    assert "names a database that the server does not have" in process.log
    assert "`databases`" in process.log
    assert "Traceback" not in process.log
