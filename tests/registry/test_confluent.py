"""Each trouble with a registry, sorted once: away, refused, or an answer."""

import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from uuid import UUID

import pytest
from fakes.clock import FakeClock
from fakes.registry import FakeRegistry, HttpRegistry

from processor.avro.framing import DecodeError
from processor.errors import ConfigError, Forbidden, IncompatibleSchema
from processor.ports.registry import RegistryUnavailable, SchemaText
from processor.registry.confluent import Access, ConfluentRegistry
from processor.registry.ids import RegisteredIds


@pytest.fixture
def served() -> Iterator[HttpRegistry]:
    with HttpRegistry(FakeRegistry()).serving() as served:
        yield served


@pytest.fixture
def client(served: HttpRegistry) -> Iterator[ConfluentRegistry]:
    made = ConfluentRegistry(Access(served.url, "me", "s3cret"), timeout=0.3)
    yield made
    made.close()


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 302])
def test_a_server_in_trouble_is_away(
    served: HttpRegistry, client: ConfluentRegistry, status: int
) -> None:
    served.forced = status, "{}"
    with pytest.raises(RegistryUnavailable, match=str(status)):
        client.schema(1)
    assert len(served.authorizations) == 1  # who waits decides how


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_forbidden_and_holds_no_secret(
    served: HttpRegistry, client: ConfluentRegistry, status: int
) -> None:
    served.forced = status, '{"error_code": 40101, "message": "no"}'
    with pytest.raises(Forbidden) as caught:
        client.schema(1)
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"
    assert served.authorizations == ["Basic " + b64encode(b"me:s3cret").decode()]


def test_a_404_that_no_registry_gave_is_no_answer(
    served: HttpRegistry, client: ConfluentRegistry
) -> None:
    """A proxy says so too, of a registry that is not there."""
    served.forced = 404, "<html>default backend</html>"
    for schema_id in (1, UUID(int=1)):
        with pytest.raises(RegistryUnavailable, match="404"):
            client.schema(schema_id)


def test_an_id_that_the_registry_finds_absurd_is_none(
    served: HttpRegistry, client: ConfluentRegistry
) -> None:
    served.forced = 400, '{"error_code": 400, "message": "not a number"}'
    assert client.schema(1) is None


def test_one_that_hangs_is_away_in_time(served: HttpRegistry, client: ConfluentRegistry) -> None:
    served.hangs.set()
    with pytest.raises(RegistryUnavailable, match="Timeout"):
        client.schema(1)


def test_an_answer_that_is_no_json_is_no_answer(
    served: HttpRegistry, client: ConfluentRegistry
) -> None:
    served.forced = 200, "<html>"
    with pytest.raises(RegistryUnavailable):
        client.schema(1)


def test_nobody_there_is_away() -> None:
    client = ConfluentRegistry(Access("http://127.0.0.1:9"))
    with pytest.raises(RegistryUnavailable, match="refused"):
        client.versions("a-value")
    client.close()


def test_what_is_refused_for_what_it_is_is_incompatible(
    served: HttpRegistry, client: ConfluentRegistry
) -> None:
    served.forced = 409, '{"error_code": 409, "message": "READER_FIELD_MISSING_DEFAULT_VALUE"}'
    with pytest.raises(IncompatibleSchema, match="READER_FIELD"):
        client.register("a-value", "{}")


def test_a_certificate_file_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match="client cannot be made"):
        ConfluentRegistry(Access("https://registry", ca_file=__file__))


def test_nothing_is_kept_of_what_was_asked(served: HttpRegistry, client: ConfluentRegistry) -> None:
    """The client's own cache has no bound."""
    served.fake.texts[1] = "{}"
    assert client.schema(1) == client.schema(1) == SchemaText("{}")
    assert len(served.authorizations) == 2


def test_who_has_no_registry_does_not_load_its_client() -> None:
    """Its HTTP library costs a start-up time and memory."""
    program = (
        "import sys, processor.bootstrap.wiring, processor.bootstrap.codecs; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.split()
    assert "confluent_kafka" in loaded
    assert not [
        each
        for each in loaded
        if each.startswith(("httpx", "authlib", "confluent_kafka.schema_registry"))
    ]


@pytest.mark.parametrize("answer", ["{}", '{"schema": null}', '{"schema": 7}', '{"schema": true}'])
def test_an_answer_without_a_text_is_no_schema(
    served: HttpRegistry, client: ConfluentRegistry, answer: str
) -> None:
    served.forced = 200, answer
    with pytest.raises(DecodeError, match="schema 1 of the registry cannot be used"):
        RegisteredIds(client, FakeClock()).schema(1)
