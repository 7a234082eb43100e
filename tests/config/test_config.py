"""Where settings come from, what they refuse, and what is shown of them."""

import json
import os
from pathlib import Path

import pytest

from processor.config import Settings, effective, load
from processor.config.sources import _injected
from processor.errors import ConfigError


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PROCESSOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refused(flags: dict[str, str] | None = None, file: Path | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(flags, file)
    return caught.value


def test_defaults_follow_from_the_names_that_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_GROUP_ID", "shop")
    monkeypatch.setenv("PROCESSOR_UPDATES_TOPIC", "in")
    monkeypatch.setenv("PROCESSOR_SESSIONS_TOPIC", "out")
    settings = load().settings
    assert settings.redis_prefix == "shop"
    assert settings.dead_letters_topic == "in.dead-letters"
    assert settings.claims_topic == "out.profile-claims"
    assert settings.bootstrap_servers == "127.0.0.1:9092"
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 9464)
    assert settings.max_snapshot_bytes == 900_000


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "some.toml"
    file.write_text('group_id = "f"\nredis_prefix = "f"\nhttp_port = 1\n[kafka]\n"linger.ms" = 5\n')
    monkeypatch.setenv("PROCESSOR_REDIS_PREFIX", "e")
    monkeypatch.setenv("PROCESSOR_HTTP_PORT", "2")
    loaded = load({"http_port": "3"}, file)
    settings = loaded.settings
    assert (settings.group_id, settings.redis_prefix, settings.http_port) == ("f", "e", 3)
    assert settings.kafka == {"linger.ms": 5}
    assert loaded.origins == {
        "group_id": f"the file {file}",
        "kafka": f"the file {file}",
        "redis_prefix": "the environment",
        "http_port": "the flag --http-port",
    }


def test_the_file_may_be_named_by_a_variable_or_lie_in_the_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "session-processor.toml").write_text('group_id = "here"')
    (tmp_path / "other.toml").write_text('group_id = "there"')
    assert load().settings.group_id == "here"
    monkeypatch.setenv("PROCESSOR_CONFIG", str(tmp_path / "other.toml"))
    assert load().settings.group_id == "there"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_SCHEMA_REGISTRY_URL", "")
    monkeypatch.setenv("PROCESSOR_HTTP_PORT", "")
    assert load().settings.http_port == 9464


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("http_port", "web", "unable to parse string as an integer (it is 'web')"),
        ("http_port", "65536", "less than or equal to 65535"),
        ("http_host", "no host", "neither an address nor a host's name"),
        ("max_snapshot_bytes", "3", "greater than or equal to 1024"),
        ("max_batch", "0", "greater than or equal to 1"),
        ("min_commit_interval", "nan", "finite number"),
        ("max_dead_letter_ratio", "1.1", "less than or equal to 1"),
        ("max_dead_letter_ratio", "nan", "finite number"),
        ("dead_letter_window", "0", "greater than or equal to 1"),
        ("dead_letter_minimum", "-1", "greater than or equal to 0"),
        ("max_consecutive_dead_letters", "0", "greater than or equal to 1"),
        ("cache_bytes", "1", "greater than or equal to 1048576"),
        ("bootstrap_servers", "a:1,,b:2", "a server's address is empty"),
        ("bootstrap_servers", "http://a:1", "write HOST:PORT without http://, as broker-1:9092"),
        ("bootstrap_servers", "a:1,https://b:2", "write HOST:PORT without https://"),
        ("bootstrap_servers", "kafka://a", "write HOST:PORT without kafka://"),
        ("bootstrap_servers", "http://", "a server's address is empty"),
        ("bootstrap_servers", "PLAINTEXT://http://a:1", "without PLAINTEXT://http://"),
        ("bootstrap_servers", "a:1;b:2", "several have commas between"),
        ("bootstrap_servers", "a:1 b:2", "several have commas between"),
        ("bootstrap_servers", "a:1/", "not HOST:PORT"),
        ("bootstrap_servers", "a:", "not HOST:PORT"),
        ("bootstrap_servers", "::1:9092", "not HOST:PORT"),
        ("bootstrap_servers", "['a:1']", "not HOST:PORT"),
        ("bootstrap_servers", "a:70000", "a port is from 1 to 65535"),
        ("redis_url", "http://redis", "does not begin with redis://"),
        ("redis_prefix", "a{b}", "braces"),
        ("updates_topic", "a b", "a topic's name has"),
        ("schemas_dir", "/nowhere/at/all", "there is no directory /nowhere/at/all"),
        ("schema_registry_url", "registry:8081", "does not begin with http:// or https://"),
        ("schema_registry_url", "http://one,two", "does not begin with http"),
        ("schema_registry_url", "http://me:secret@registry", "PROCESSOR_SCHEMA_REGISTRY_PASSWORD"),
        ("schema_registry_user", "me", "of no use without a schema registry"),
        ("schema_id_location", "headers", "of no use without a schema registry"),
        ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("log_format", "xml", "'auto', 'human' or 'json'"),
        ("input_formats", "json", "commands are Avro: write avro,json"),
        ("input_formats", "json,cloudevents", "write avro,json,cloudevents"),
        ("input_formats", "avro,protobuf", "'protobuf' is no format"),
        ("input_formats", "avro;json", "'avro;json' is no format"),
        ("input_formats", "avro,", "'' is no format"),
        ("kafka", "{oops", "it is not JSON (at character 2)"),
        ("kafka", "[1]", "valid dictionary"),
        ("kafka", "[" * 100_000, "nested too deep"),
        ("kafka", '{"linger.ms": 1, "linger.ms": 2}', "it has a name twice"),
        ("kafka", '{"debug": ["broker"]}', "debug is neither a text nor a number"),
        ("kafka", '{"debug": null}', "debug is neither a text nor a number"),
        ("kafka", '{"security": {"protocol": "ssl"}}', 'write it in quotes, "security.protocol"'),
    ],
)
def test_a_refusal_names_the_setting_its_origin_the_fault_and_the_remedy(
    field: str, value: str, told: str
) -> None:
    error = refused({field: value})
    name = f"PROCESSOR_{field.upper()}"
    assert error.message.startswith(f"{name} (from the flag --{field.replace('_', '-')}): ")
    assert told in error.message
    assert error.hint.startswith(name)
    assert error.exit_code == 3


def test_every_fault_is_told_at_once_and_what_follows_from_one_is_not() -> None:
    error = refused({"group_id": "", "http_port": "x"})
    assert [line.split()[0] for line in error.message.splitlines()] == [
        "PROCESSOR_GROUP_ID",
        "PROCESSOR_HTTP_PORT",
    ]


def test_a_group_id_with_braces_needs_a_prefix_of_its_own() -> None:
    error = refused({"group_id": "{g}"})
    assert error.message.startswith("PROCESSOR_REDIS_PREFIX (from its default): ")
    assert load({"group_id": "{g}", "redis_prefix": "g"}).settings.redis_prefix == "g"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"sessions_topic": "session-updates"}, ("UPDATES_TOPIC", "SESSIONS_TOPIC")),
        ({"claims_topic": "customer-sessions"}, ("SESSIONS_TOPIC", "CLAIMS_TOPIC")),
        (
            {"cache_bytes": "1048576", "max_snapshot_bytes": "2000000"},
            ("CACHE_BYTES", "MAX_SNAPSHOT_BYTES"),
        ),
        (
            {"kafka": '{"sasl.password": "s"}', "kafka_sasl_password": "t"},
            ("KAFKA", "KAFKA_SASL_PASSWORD"),
        ),
    ],
)
def test_a_contradiction_names_both_settings(flags: dict[str, str], named: tuple[str, str]) -> None:
    message = refused(flags).message
    assert all(f"PROCESSOR_{name} (from " in message for name in named)


@pytest.mark.parametrize(
    "name",
    [
        "enable.auto.commit",
        "isolation.level",
        "transactional.id",
        "auto.offset.reset",
        "group.id",
        "enable.idempotence",
        "partition.assignment.strategy",
        "statistics.interval.ms",
    ],
)
def test_a_property_that_the_processor_owns_is_refused_with_the_reason(name: str) -> None:
    message = refused({"kafka": json.dumps({name: "x"})}).message
    assert message.startswith("PROCESSOR_KAFKA (from the flag --kafka): ")
    assert f"{name} (" in message


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("sasl.jaas.config", "planted", "no property of librdkafka: give sasl.username, and"),
        ("basic.auth.user.info", "u:planted", "give PROCESSOR_SCHEMA_REGISTRY_USER"),
        ("SASL.PASSWORD", "planted", "SASL.PASSWORD is no property of librdkafka: write sasl.pass"),
        ("sasl_password", "planted", "write sasl.password"),
        ("Ssl.Key.Password ", "planted", "write ssl.key.password"),
        ("sasl.pasword", "planted", "sasl.pasword is no property of librdkafka"),
        ("ssl.truststore.password", "planted", "give ssl.ca.location"),
        ("fetch.max.wait.ms", 100, "give fetch.wait.max.ms"),
        ("", "planted", "is no property of librdkafka"),
        ("sasl.password\0", "planted", "is no property of librdkafka"),
        ("error_cb", "planted", "error_cb is for programs"),
        ("on_commit", "planted", "on_commit is for programs"),
        ("sasl.oauthbearer.method", "planted", "has a value that librdkafka does not take"),
        ("linger.ms", "soon", "linger.ms: Invalid value for configuration property"),
        ("fetch.max.bytes", -1, "outside allowed range"),
        ("client.rack", "://u:planted@h", None),
    ],
)
def test_a_property_that_librdkafka_does_not_take_is_refused_at_once(
    name: str, value: object, told: str | None
) -> None:
    given = {"kafka": json.dumps({name: value})}
    if told is None:
        assert "planted" not in str(effective(load(given)))
        return
    error = refused(given)
    assert told in error.message
    assert "planted" not in error.message + error.hint


@pytest.mark.parametrize(
    "name",
    [
        *("sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.certificate.pem"),
        *("ssl.keystore.password", "sasl.oauthbearer.config", "sasl.oauthbearer.client.secret"),
        *("sasl.oauthbearer.extensions", "sasl.kerberos.kinit.cmd"),
        *("sasl.oauthbearer.assertion.private.key.passphrase", "sasl.oauthbearer.scope=token="),
    ],
)
def test_no_value_is_shown_that_may_hold_a_secret(name: str) -> None:
    name, _, value = name.partition("=")
    loaded = load({"kafka": json.dumps({name: f"{value}planted", "client.id": "shown"})})
    (row,) = [each for each in effective(loaded) if each.name == "PROCESSOR_KAFKA"]
    assert json.loads(row.value) == {name: "***", "client.id": "shown"}


@pytest.mark.parametrize(
    "servers", ["a", "a:9092", "a_b.c-d:1, 10.0.0.1:2", "[::1]:9092", "SASL_SSL://a:1,ssl://b"]
)
def test_servers_are_hosts_with_ports(servers: str) -> None:
    assert load({"bootstrap_servers": servers}).settings.bootstrap_servers == servers


def test_a_password_before_a_server_is_not_repeated() -> None:
    error = refused({"bootstrap_servers": "https://u:planted@a:1"})
    assert "write HOST:PORT without https://" in error.message
    assert "planted" not in error.message + error.hint


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ('kafka.security.protocol = "ssl"', 'write it in quotes, "security.protocol"', ""),
        ('[kafka]\nssl.key.password = "planted"', '"ssl.key.password"', ""),
        ('[kafka.sasl]\npassword = "planted"', '"sasl.password"', ""),
        ('redis.url = "redis://:planted@r"', "unknown setting redis.url", "redis_url?"),
        ('[redis]\nurl = "redis://:planted@r"', "unknown setting redis.url", "redis_url?"),
        ('schema.registry.url = "http://r"', "unknown setting schema.reg", "schema_registry_url?"),
        ('PROCESSOR_GROUP_ID = "g"', "unknown setting PROCESSOR_GROUP_ID", "group_id?"),
        ('[settings]\ngroup_id = "g"', "unknown table settings", "write group_id at the top"),
        ('[tool.processor]\ngroup_id = "g"', "unknown table tool.pro", "write group_id at the top"),
        ('[kafka]\n"linger.ms" = 5\ngroup_id = "g"', "stands in the table kafka", "[kafka]"),
        ('\ufeffgroup_id = "g"', "begins with a byte order mark", "save it as UTF-8 without"),
    ],
)
def test_a_toml_file_is_told_what_to_write(tmp_path: Path, text: str, told: str, hint: str) -> None:
    file = tmp_path / "some.toml"
    file.write_text(text)
    error = refused(file=file)
    assert told in error.message
    assert hint in error.hint
    assert "planted" not in error.message + error.hint


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("group_id", '"checkout"', "write PROCESSOR_GROUP_ID=checkout without"),
        ("group_id", "'checkout'", "write PROCESSOR_GROUP_ID=checkout without"),
        ("group_id", "checkout\r", "write PROCESSOR_GROUP_ID=checkout without"),
        ("http_port", '"9464"', "write PROCESSOR_HTTP_PORT=9464 without"),
        ("bootstrap_servers", '"a:1,b:2" ', "write PROCESSOR_BOOTSTRAP_SERVERS=a:1,b:2 without"),
        ("kafka", '\'{"sasl.password": "planted"}\'', "write PROCESSOR_KAFKA=… without"),
        ("redis_url", '"redis://:planted@r"', "write PROCESSOR_REDIS_URL=… without"),
        ("kafka_sasl_password", '"planted"', "by PROCESSOR_KAFKA_SASL_PASSWORD_FILE"),
    ],
)
def test_quotes_and_line_ends_of_a_file_of_variables_are_refused(
    monkeypatch: pytest.MonkeyPatch, field: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(f"PROCESSOR_{field.upper()}", value)
    error = refused()
    assert error.message.startswith(f"PROCESSOR_{field.upper()} (from the environment): ")
    assert "--env-file" in error.message
    assert hint in error.hint
    assert "planted" not in error.message + error.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARCHITECTURE", "AMD64"),
        ("ARCHITEW6432", "AMD64"),
        ("IDENTIFIER", "Intel64 Family 6 Model 158 Stepping 10, GenuineIntel"),
        ("LEVEL", "6"),
        ("REVISION", "9e0a"),
    ],
)
def test_what_windows_says_of_the_machine_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PROCESSOR_{name}", value)
    loaded = load()
    assert (loaded.origins, loaded.ignored) == ({}, ())


def test_the_new_group_protocol_is_allowed_without_the_properties_of_the_old() -> None:
    kafka = {"group.protocol": "consumer", "client.id": "a"}
    assert load({"kafka": json.dumps(kafka)}).settings.kafka == kafka
    error = refused({"kafka": json.dumps(kafka | {"session.timeout.ms": 6000})})
    assert "session.timeout.ms: not to be given with group.protocol=consumer" in error.message


def test_kafka_clients_get_the_servers_the_properties_and_the_password() -> None:
    settings = load(
        {
            "bootstrap_servers": "k:1",
            "kafka": '{"socket.keepalive.enable": true, "linger.ms": 2.5}',
            "kafka_sasl_password": "pw",
        }
    ).settings
    assert settings.kafka_properties() == {
        "bootstrap.servers": "k:1",
        "socket.keepalive.enable": "true",
        "linger.ms": "2.5",
        "sasl.password": "pw",
    }


def test_an_unknown_variable_is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROCESSOR_GROUPID", "x")
    error = refused()
    assert error.message == "unknown setting PROCESSOR_GROUPID in the environment"
    assert "PROCESSOR_GROUP_ID?" in error.hint


def test_an_unknown_variable_like_no_other_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_XYZZY", "x")
    assert "config show" in refused().hint


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('redis-url = "redis://r"')
    error = refused(file=file)
    assert error.message == f"unknown setting redis-url in {file}"
    assert "redis_url?" in error.hint


def test_a_file_that_is_absent_or_no_toml_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "some.toml"
    assert f"no file {file}, which the flag --config names" in refused(file=file).message
    file.write_text("= 1")
    assert f"{file} is not TOML" in refused(file=file).message
    monkeypatch.setenv("PROCESSOR_CONFIG", "gone.toml")
    assert "PROCESSOR_CONFIG names" in refused().message


def test_what_kubernetes_injects_for_a_service_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    injected = {
        "PROCESSOR_PORT": "tcp://10.0.0.1:9464",
        "PROCESSOR_SERVICE_HOST": "10.0.0.1",
        "PROCESSOR_SERVICE_PORT": "9464",
        "PROCESSOR_SERVICE_PORT_HTTP": "9464",
        "PROCESSOR_PORT_9464_TCP": "tcp://10.0.0.1:9464",
        "PROCESSOR_PORT_9464_TCP_ADDR": "10.0.0.1",
        "PROCESSOR_PORT_9464_TCP_PORT": "9464",
        "PROCESSOR_PORT_9464_TCP_PROTO": "tcp",
        "PROCESSOR_FOO_SERVICE_HOST": "10.0.0.2",
        "PROCESSOR_FOO_PORT": "tcp://10.0.0.2:80",
        # A service named processor-http: an address where a port number would be ours.
        "PROCESSOR_HTTP_PORT": "tcp://10.0.0.3:80",
    }
    for name, value in injected.items():
        monkeypatch.setenv(name, value)
    loaded = load()
    assert set(loaded.ignored) == set(injected)
    assert loaded.settings.http_port == 9464
    monkeypatch.setenv("PROCESSOR_PORT", "9464")
    assert "unknown setting PROCESSOR_PORT " in refused().message


@pytest.mark.parametrize("field", Settings.model_fields)
def test_no_setting_is_taken_for_what_kubernetes_injects(field: str) -> None:
    assert not _injected(f"PROCESSOR_{field.upper()}", "1")


def test_limits_on_dead_letters_come_from_any_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = load().settings
    assert settings.max_dead_letter_ratio is settings.max_consecutive_dead_letters is None
    file = tmp_path / "some.toml"
    file.write_text("max_dead_letter_ratio = 0.25\ndead_letter_window = 60\n")
    monkeypatch.setenv("PROCESSOR_MAX_CONSECUTIVE_DEAD_LETTERS", "500")
    settings = load({"dead_letter_minimum": "20"}, file).settings
    assert settings.max_dead_letter_ratio == 0.25
    assert settings.dead_letter_window == 60
    assert settings.dead_letter_minimum == 20
    assert settings.max_consecutive_dead_letters == 500


def test_what_is_shown_tells_each_origin_and_no_secret() -> None:
    loaded = load(
        {
            "redis_url": "redis://user:pl@nted@redis:6379/0?password=planted",
            "kafka": '{"sasl.password": "planted", "ssl.key.password": "planted", "linger.ms": 5}',
            "group_id": "shop",
        }
    )
    shown = {row.name: row for row in effective(loaded)}
    assert set(shown) == {f"PROCESSOR_{name.upper()}" for name in Settings.model_fields}
    assert shown["PROCESSOR_REDIS_URL"].value == "redis://user:***@redis:6379/0?password=***"
    assert json.loads(shown["PROCESSOR_KAFKA"].value)["linger.ms"] == 5
    assert shown["PROCESSOR_GROUP_ID"].source == "flag --group-id"
    assert shown["PROCESSOR_HTTP_PORT"].source == "default"
    assert "planted" not in str(shown)
    assert "planted" not in repr(loaded.settings)
    url = "rediss+sentinel://:planted@s1,s2/main?sentinel_password=planted&ssl_password=planted"
    (row,) = [each for each in effective(load({"redis_url": url})) if each.name.endswith("S_URL")]
    assert row.value == "rediss+sentinel://:***@s1,s2/main?sentinel_password=***&ssl_password=***"
    secret = load({"kafka_sasl_password": "planted"})
    assert "planted" not in f"{effective(secret)}{secret.settings!r}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("redis_url", "oops://:planted@redis"),
        ("redis_url", "redis://user:planted/x@redis"),
        ("redis_url", "redis+sentinel://:x/y/planted@redis/main"),
        ("redis_url", "redis+cluster://:x?planted=y@redis"),
        ("redis_url", "rediss+sentinel://s?sentinel_password=planted&ssl_password=planted"),
        ("kafka", '{"sasl.password": "planted"'),
        ("kafka", '{"sasl.password": ["planted"]}'),
        ("kafka", '{"group.id": "x", "sasl.password": "planted"}'),
    ],
)
def test_a_refusal_tells_no_secret(field: str, value: str) -> None:
    error = refused({field: value})
    assert "planted" not in error.message + error.hint
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, "group_id", "other")  # noqa: B010  mypy too refuses the plain form


@pytest.mark.parametrize(
    ("given", "formats"),
    [
        ("avro", "avro"),
        ("avro,json", "avro,json"),
        ("cloudevents, JSON ,avro", "avro,json,cloudevents"),
        ("avro,json,json", "avro,json"),
    ],
)
def test_formats_of_the_input_are_named_in_one_order(given: str, formats: str) -> None:
    assert load({"input_formats": given}).settings.input_formats == formats


def test_formats_of_the_input_may_be_a_list_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('input_formats = ["json", "avro"]')
    assert load(file=file).settings.input_formats == "avro,json"
