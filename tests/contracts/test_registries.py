"""What all registries do: the suite of the port `Registry`, on a fake, its HTTP, and a real one."""

import json
import secrets
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference
from fakes.registry import FakeRegistry, HttpRegistry
from oracle import SCHEMAS

from processor.avro.schemas import read_schema
from processor.formats.json_schema import same
from processor.ports.registry import JSON, Level, Reference, Registry, SchemaText, subject
from processor.registry.confluent import Access, ConfluentRegistry
from processor.registry.references import whole_text

TEXT = (SCHEMAS / "SessionUpdate.avsc").read_text()
MISSING = 4_294_967_295


@pytest.fixture(params=["in memory", "by HTTP", pytest.param("real", marks=[pytest.mark.servers])])
def port(request: pytest.FixtureRequest) -> Iterator[Registry]:
    fake = FakeRegistry()
    if request.param == "in memory":
        yield fake
        return
    if request.param == "real":
        client = ConfluentRegistry(Access(request.getfixturevalue("registry")), timeout=30.0)
        yield client
        client.close()
        return
    with HttpRegistry(fake).serving() as served:
        client = ConfluentRegistry(Access(served.url))
        yield client
        client.close()


@pytest.fixture
def name() -> str:
    return subject(f"topic-{secrets.token_hex(5)}")


def test_what_is_registered_is_found_by_number_and_by_subject(port: Registry, name: str) -> None:
    number = port.register(name, TEXT)
    assert port.schema(number) == SchemaText(TEXT)
    (version,) = port.versions(name)
    assert (version.schema_id, version.text) == (number, TEXT)
    assert port.takes(name, TEXT)


def test_a_json_schema_is_found_as_what_it_is(port: Registry, name: str) -> None:
    text = (SCHEMAS / "SessionUpdate.schema.json").read_text()
    number = port.register(name, text, JSON)
    found = port.schema(number)
    assert found is not None
    assert (found.kind, same(found.text, text)) == (JSON, True)
    assert [each.kind for each in port.versions(name)] == [JSON]
    assert port.takes(name, text, JSON)


@pytest.mark.parametrize(
    "ask",
    [
        lambda port, _: port.schema(MISSING),
        lambda port, _: port.schema(0),
        lambda port, _: port.schema(UUID(int=7)),
        lambda port, name: port.versions(name) or None,
    ],
)
def test_that_there_is_none_is_an_answer(
    port: Registry, name: str, ask: Callable[[Registry, str], object]
) -> None:
    assert ask(port, name) is None


def test_a_subject_without_versions_takes_anything_and_has_the_level_of_all(
    port: Registry, name: str
) -> None:
    assert port.takes(name, TEXT)
    assert port.level(name) == "NONE"


def refer(port: Registry, name: str, text: str, to: str) -> int:
    """Register a schema that refers to the first version of another subject, by a client."""
    if isinstance(port, FakeRegistry):
        return port.register(name, text, references=[Reference("sessions.State", to, 1)])
    assert isinstance(port, ConfluentRegistry)
    references = [SchemaReference("sessions.State", to, 1)]
    return port._client.register_schema(name, Schema(text, "AVRO", references))


def test_a_schema_tells_what_it_refers_to(port: Registry, name: str) -> None:
    part = json.loads(TEXT)
    (field,) = (each for each in part["fields"] if each["name"] == "state")
    state = {**field["type"][1], "namespace": "sessions"}
    field["type"] = ["null", "sessions.State"]
    port.register(f"{name}-state", json.dumps(state))
    number = refer(port, name, json.dumps(part), f"{name}-state")
    found = port.schema(number)
    assert found is not None
    assert found.references == (Reference("sessions.State", f"{name}-state", 1),)
    assert [each.references for each in port.versions(name)] == [found.references]
    referred = port.version(f"{name}-state", 1)
    assert referred is not None
    assert json.loads(referred.text) == state
    assert port.version(f"{name}-state", 2) is None
    assert read_schema(whole_text(port.version, found)).canonical == read_schema(TEXT).canonical


def test_a_subject_is_held_to_the_level_that_is_set(port: Registry, name: str) -> None:
    port.register(name, TEXT)
    levels: tuple[Level, ...] = ("FULL", "BACKWARD_TRANSITIVE", "NONE")
    for level in levels:
        port.hold_to(name, level)
        assert port.level(name) == level
