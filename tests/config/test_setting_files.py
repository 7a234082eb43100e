"""Settings from files that variables name, as secrets are mounted."""

import os
from pathlib import Path

import pytest

from processor.config import Settings, effective, load
from processor.config.settings import env_name, is_secret
from processor.config.sources import FLAG_FIELDS, file_variable
from processor.errors import ConfigError


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PROCESSOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("planted\n")
    return file


def refused(flags: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(flags)
    return caught.value


@pytest.mark.parametrize("field", Settings.model_fields)
def test_any_setting_may_come_from_a_file(
    field: str, monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    """Whatever the setting makes of the text, it is asked; and no refusal repeats a secret."""
    monkeypatch.setenv(file_variable(field), str(secret))
    origin = f"file {secret}, by {file_variable(field)}"
    try:
        told = str([row for row in effective(load()) if row.name == env_name(field)])
    except ConfigError as error:
        told = f"{error.message} {error.hint}"
    assert env_name(field) in told
    assert origin in told
    assert "planted" not in told or not is_secret(field)


def test_the_password_is_the_file_s_text_without_its_last_newline(
    monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    secret.write_bytes(b" pl\xc3\xa4nted \r\n")
    monkeypatch.setenv("PROCESSOR_KAFKA_SASL_PASSWORD_FILE", str(secret))
    loaded = load()
    assert loaded.settings.kafka_properties()["sasl.password"] == " plänted "
    (shown,) = (row for row in effective(loaded) if row.name == "PROCESSOR_KAFKA_SASL_PASSWORD")
    assert (shown.value, shown.source) == (
        "***",
        f"file {secret}, by PROCESSOR_KAFKA_SASL_PASSWORD_FILE",
    )


def test_a_json_object_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    secret.write_text('{"ssl.key.password": "planted"}\n')
    monkeypatch.setenv("PROCESSOR_KAFKA_FILE", str(secret))
    assert load().settings.kafka == {"ssl.key.password": "planted"}


def test_a_file_and_the_variable_itself_contradict_each_other(
    monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    monkeypatch.setenv("PROCESSOR_REDIS_URL", "redis://:planted@redis")
    monkeypatch.setenv("PROCESSOR_REDIS_URL_FILE", str(secret))
    error = refused()
    assert "PROCESSOR_REDIS_URL and PROCESSOR_REDIS_URL_FILE" in error.message
    assert "planted" not in error.message + error.hint


def test_a_flag_wins_over_a_file_and_that_over_the_configuration(
    monkeypatch: pytest.MonkeyPatch, secret: Path
) -> None:
    Path("session-processor.toml").write_text('group_id = "configured"')
    monkeypatch.setenv("PROCESSOR_GROUP_ID_FILE", str(secret))
    assert load().settings.group_id == "planted"
    assert load({"group_id": "flag"}).settings.group_id == "flag"


def test_an_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_REDIS_URL_FILE", "")
    assert load().settings.redis_url == Settings().redis_url


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "not a text"),
        (b"\xef\xbb\xbfredis://r\n", "begins with a byte order mark"),
        (b"\xef\xbb\xbf", "begins with a byte order mark"),
        ("redis://r".encode("utf-16"), "not a text"),
        ("redis://r".encode("utf-16-le"), "holds NUL characters"),
    ],
)
def test_a_file_that_gives_no_value_is_named(
    content: bytes | None, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "given"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("PROCESSOR_REDIS_URL_FILE", str(file))
    error = refused()
    assert error.message.startswith(f"{file}, which PROCESSOR_REDIS_URL_FILE names, ")
    assert told in error.message
    assert error.exit_code == 3


def test_a_name_like_that_of_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_REDDIS_URL_FILE", "/nowhere")
    assert "did you mean PROCESSOR_REDIS_URL_FILE?" in refused().hint


def test_no_password_can_be_given_on_a_command_line() -> None:
    """Others can read it there. What is secret in part has a flag for its other parts."""
    flags = {field for field in FLAG_FIELDS if "SecretStr" in str(Settings.model_fields[field])}
    assert not flags


@pytest.mark.parametrize(
    "url", ["redis://:pl/anted@redis", "redis://[pl]anted@redis", "redis://:x@[pl"]
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    from processor.redis.connection import Server

    with pytest.raises(ConfigError) as caught:
        Server.from_url(load({"redis_url": url}).settings.redis_url).ask(["PING"])
    assert "pl" not in str(caught.value).replace("processor", "").replace("example", "")
