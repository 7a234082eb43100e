"""No secret is in logs, errors, `config show`, metrics or probes, of runs that work or fail."""

import json
from contextlib import suppress

import pytest
import redis
from system.deployment import Deployment
from system.granted import grant, of_run
from system.planted import MARK, PLANTED, leaked

from processor.config import Settings, load
from processor.config.settings import env_name
from processor.demo.traffic import updates
from processor.errors import ConfigError


def _others() -> dict[str, str]:
    """Return a value for each further secret setting that can be given by itself."""
    found = {}
    for field, about in Settings.model_fields.items():
        if "SecretStr" in str(about.annotation) and field != "kafka_sasl_password":
            with suppress(ConfigError):
                load({field: f"{MARK}{field}"})
                found[field] = f"{MARK}{field}"
    return found


@pytest.fixture
def planted(secured: Deployment) -> Deployment:
    """The service with a secret wherever one can be."""
    client = redis.Redis.from_url(secured.redis_url)
    client.config_set("requirepass", PLANTED["redis"])
    client.close()
    secured.redis_url = secured.redis_url.replace("://", f"://:{PLANTED['redis']}@")
    properties = json.loads(secured.environment["PROCESSOR_KAFKA"])
    properties["ssl.key.password"] = PLANTED["key"]
    properties["sasl.oauthbearer.client.secret"] = PLANTED["client"]
    properties |= {"debug": "conf,security,broker", "log_level": 7}
    secured.environment["PROCESSOR_KAFKA"] = json.dumps(properties)
    secured.environment["PROCESSOR_REDIS_URL"] = secured.redis_url
    secured.environment["PROCESSOR_LOG_LEVEL"] = "debug"
    for field, value in _others().items():
        secured.environment[env_name(field)] = value
    return secured


def test_a_service_that_works_tells_no_secret(planted: Deployment) -> None:
    grant(planted.admin, planted.names, of_run())
    planted.produce(updates(400, seed=3, partition=planted.partition))
    process = planted.run()
    process.await_log("partition ready")
    planted.await_processed()
    told = [process.get(path)[1] for path in ("/metrics", "/readyz", "/livez")]
    for options in ((), ("--json",)):
        shown = planted.command("config", "show", *options)
        assert shown.returncode == 0
        assert "***" in shown.stdout
        told += [shown.stdout, shown.stderr]
    process.terminate()
    assert "sasl.password" in process.log, "librdkafka told its configuration"
    assert not leaked(process.log, *told)


@pytest.mark.parametrize(
    ("setting", "value", "code", "told"),
    [
        ("kafka_sasl_password", "planted-wrong", 7, "Authentication failed"),
        ("redis_url", "{redis}-wrong@{server}", 7, "Redis refused"),
        ("redis_url", "redis://:planted-/wrong@{server}", 3, "PROCESSOR_REDIS_URL"),
        ("redis_url", "redis://:planted-[wrong@{server}", 3, "PROCESSOR_REDIS_URL"),
        ("redis_url", "http://:planted-@{server}", 3, "PROCESSOR_REDIS_URL"),
        ("redis_url", "redis://:planted-@{server}?protocol=planted-", 3, "PROCESSOR_REDIS_URL"),
        ("redis_url", "redis+sentinel://{server}?sentinel_password=planted-", 7, "Redis refused"),
        ("kafka", '{{"ssl.key.password": "planted-', 3, "PROCESSOR_KAFKA"),
        ("kafka", '{{"security.protocol": "SSL", "ssl.key.pem": "planted-"}}', 3, "ssl.key.pem"),
        ("kafka", '{{"sasl.oauthbearer.config": "planted-", "linger": 1}}', 3, "linger"),
    ],
)
def test_a_service_that_fails_tells_no_secret(
    planted: Deployment, setting: str, value: str, code: int, told: str
) -> None:
    grant(planted.admin, planted.names, of_run())
    redis_url, _, server = planted.redis_url.partition("@")
    if setting == "kafka_sasl_password":
        del planted.environment["PROCESSOR_KAFKA_SASL_PASSWORD_FILE"]
    process = planted.run(**{setting: value.format(redis=redis_url, server=server)})
    assert process.wait(180) == code, process.log[-3000:]
    assert told in process.log
    assert not leaked(process.log)
