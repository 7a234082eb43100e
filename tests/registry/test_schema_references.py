"""Schemas that refer to others are read as if they were one text, or it is said why not."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from avro_bytes import SCHEMAS
from fakes.clock import FakeClock
from fakes.registry import FakeRegistry

from processor.avro.definition import SchemaError
from processor.avro.framing import DecodeError
from processor.avro.schemas import read_schema
from processor.errors import Forbidden
from processor.ports.registry import JSON, Reference, RegistryUnavailable
from processor.registry.ids import RegisteredIds
from processor.registry.references import whole_text

UPDATE = SCHEMAS.updates.reader


@pytest.fixture
def fake() -> FakeRegistry:
    return FakeRegistry()


def put(fake: FakeRegistry, subject: str, schema: Any, *others: str) -> int:
    """Register a schema that refers to the first versions of those subjects; return its id."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return fake.register(subject, text, references=[Reference(each, each, 1) for each in others])


def read(fake: FakeRegistry, number: int) -> Any:
    ids = RegisteredIds(fake, FakeClock())
    ids.ask([number], 1.0)
    return ids.schema(number)


def record(name: str, *types: Any, **more: Any) -> dict[str, Any]:
    fields = [{"name": f"f{at}", "type": each} for at, each in enumerate(types)]
    return {"type": "record", "name": name, "namespace": "sessions", "fields": fields, **more}


def parted() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the schema of updates without its types, as Apicurio's serializer registers it."""
    whole = json.loads(UPDATE.text)
    by_name = {each["name"]: each for each in whole["fields"]}
    state = {**by_name["state"]["type"][1], "namespace": "sessions"}
    items = by_name["cartItems"]["type"][1]
    item = {**items["items"], "namespace": "sessions"}
    by_name["state"]["type"] = ["null", "sessions.State"]
    items["items"] = "CartItem"
    return whole, state, item


def test_an_update_whose_types_are_registered_apart_is_read(fake: FakeRegistry) -> None:
    whole, state, item = parted()
    put(fake, "sessions.State", state)
    put(fake, "sessions.CartItem", item)
    schema = read(fake, put(fake, "updates-value", whole, "sessions.State", "sessions.CartItem"))
    assert schema.canonical == UPDATE.canonical
    assert read_schema(schema.text).canonical == UPDATE.canonical  # one text, for who has no more


STATE = {"type": "enum", "name": "State", "namespace": "sessions", "symbols": ["a"]}
WHOLE: dict[str, tuple[dict[str, tuple[Any, ...]], Any]] = {
    "one behind another": (
        {"s": (STATE,), "i": (record("Item", "State"), "s")},
        record("R", {"type": "array", "items": "Item"}),
    ),
    "one by two ways, and named again": (
        {
            "s": (STATE,),
            "i": (record("Item", "State"), "s"),
            "j": (record("J", ["null", "State"]), "s"),
        },
        record("R", "Item", "sessions.J", "State"),
    ),
    "what stands inside another": (
        {"i": (record("Item", STATE, {"type": "map", "values": "State"}),)},
        record("R", "State", "Item"),
    ),
    "of another namespace": (
        {"s": ({**STATE, "namespace": "shop"},)},
        record("R", ["null", "shop.State"]),
    ),
    "of none": (
        {"s": ({**STATE, "namespace": ""},)},
        record("R", {"type": "State"}),
    ),
    "one that is not needed": ({"s": (STATE,)}, record("R", "int")),
    "one that it defines itself": ({"s": (STATE,)}, record("R", STATE, "State")),
    "a list of all": ({"s": ([STATE, record("Item", "State")],)}, record("R", "Item", "State")),
}


@pytest.mark.parametrize(("others", "main"), WHOLE.values(), ids=WHOLE)
def test_references_are_resolved(
    fake: FakeRegistry, others: dict[str, tuple[Any, ...]], main: Any
) -> None:
    for subject, (schema, *more) in others.items():
        put(fake, subject, schema, *more)
    schema = read(fake, put(fake, "main", main, *others))
    assert schema.name == "sessions.R"
    assert len([each for each in schema.named if each.endswith("State")]) <= 1


def chain(fake: FakeRegistry, count: int) -> None:
    put(fake, "s0", STATE)
    for at in range(1, count):
        put(fake, f"s{at}", record(f"R{at}", "int"), f"s{at - 1}")
    put(fake, "main", record("R", "State"), f"s{count - 1}")


REFUSED: dict[str, tuple[Callable[[FakeRegistry], object], str]] = {
    "itself": (
        lambda fake: put(fake, "main", record("R", "State"), "main"),
        "lead back to where they came from: main version 1 to main version 1",
    ),
    "each other": (
        lambda fake: (
            put(fake, "a", record("A", "State"), "b"),
            put(fake, "b", record("B", "A"), "a"),
            put(fake, "main", record("R", "A"), "a"),
        ),
        "a version 1 to b version 1 to a version 1",
    ),
    "one that is not there": (
        lambda fake: put(fake, "main", record("R", "State"), "gone"),
        "refers to gone, version 1 of gone, which the registry does not have",
    ),
    "one of another kind": (
        lambda fake: (
            fake.register("j", '{"type": "object"}', JSON),
            put(fake, "main", record("R", "State"), "j"),
        ),
        "which is JSON and not Avro",
    ),
    "one that is no JSON": (
        lambda fake: (put(fake, "s", "{"), put(fake, "main", record("R", "State"), "s")),
        "it is not JSON",
    ),
    "one nested too deep": (
        lambda fake: (put(fake, "s", "[" * 9_000), put(fake, "main", record("R", "State"), "s")),
        "nested too deep",
    ),
    "one that has not got the type": (
        lambda fake: (put(fake, "s", STATE), put(fake, "main", record("R", "Status"), "s")),
        'does not define the type "Status", nor does a schema that it refers to',
    ),
    "a type inside itself": (
        lambda fake: (
            put(fake, "a", record("A", ["null", "A"])),
            put(fake, "main", record("R", "A"), "a"),
        ),
        "is inside itself",
    ),
    "types inside each other": (
        lambda fake: (
            put(fake, "a", record("A", ["null", "B"])),
            put(fake, "b", record("B", ["null", "A"])),
            put(fake, "main", record("R", "A"), "a", "b"),
        ),
        "is inside itself",
    ),
    "a name that is none": (
        lambda fake: (put(fake, "s", {**STATE, "name": 7}), put(fake, "main", record("R"), "s")),
        "is no name",
    ),
    "too many": (lambda fake: chain(fake, 40), "more than 32 schemas"),
}


@pytest.mark.parametrize(("make", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_resolved_is_told(
    fake: FakeRegistry, make: Callable[[FakeRegistry], object], why: str
) -> None:
    make(fake)
    number = fake.subjects["main"][-1].schema_id
    with pytest.raises(
        DecodeError, match=f"schema {number} of the registry cannot be used: .*{why}"
    ):
        read(fake, number)


def test_as_many_as_are_taken(fake: FakeRegistry) -> None:
    chain(fake, 32)
    assert read(fake, fake.subjects["main"][0].schema_id).name == "sessions.R"


def test_a_registry_that_goes_away_between_two_is_asked_again(fake: FakeRegistry) -> None:
    put(fake, "s", STATE)
    number = put(fake, "main", record("R", "State"), "s")
    clock = FakeClock()
    ids = RegisteredIds(fake, clock)
    there = fake.version

    def away(_subject: str, _number: int) -> Any:
        raise RegistryUnavailable("nobody is there")

    fake.version = away  # type: ignore[method-assign, assignment]
    ids.ask([number], 1.0)
    assert not ids.known(number)
    assert str(ids.unavailable) == "nobody is there"
    fake.version = there  # type: ignore[method-assign]
    clock.now += 5.0
    ids.ask([number], 1.0)
    assert ids.known(number)


def test_one_that_is_not_there_yet_is_asked_for_again(fake: FakeRegistry) -> None:
    """A registry of several nodes may be behind the one that registered it."""
    put(fake, "s", STATE)
    number = put(fake, "main", record("R", "State"), "s")
    late = fake.subjects.pop("s")
    clock = FakeClock()
    ids = RegisteredIds(fake, clock)
    ids.ask([number], 1.0)
    assert not ids.known(number)
    assert ids.absent_for(number) == 0
    with pytest.raises(DecodeError, match="which the registry does not have"):
        ids.schema(number)
    fake.subjects["s"] = late
    clock.now += 2.0
    ids.ask([number], 1.0)
    assert ids.known(number)
    schema = ids.schema(number)
    assert schema is not None
    assert schema.name == "sessions.R"


def test_one_that_may_not_be_read_ends_no_process(fake: FakeRegistry) -> None:
    put(fake, "s", STATE)
    number = put(fake, "main", record("R", "State"), "s")

    def refused(_subject: str, _number: int) -> Any:
        raise Forbidden("not for this user")

    fake.version = refused  # type: ignore[method-assign, assignment]
    ids = RegisteredIds(fake, FakeClock())
    ids.ask([number], 1.0)
    assert ids.known(number)
    with pytest.raises(DecodeError, match="this user may not read"):
        ids.schema(number)


def test_a_slow_registry_holds_nobody_up_and_each_attempt_gets_further(fake: FakeRegistry) -> None:
    chain(fake, 8)
    number = fake.subjects["main"][0].schema_id
    clock, asked = FakeClock(), list[str]()
    there = fake.version

    def slow(subject: str, version: int) -> Any:
        clock.now += 1.9
        asked.append(subject)
        return there(subject, version)

    fake.version = slow  # type: ignore[method-assign, assignment]
    ids = RegisteredIds(fake, clock)
    for _ in range(8):
        before = clock.now
        ids.ask([number], 1.0)
        assert clock.now - before < 2.0
        assert ids.unavailable is None or not ids.known(number)
        clock.now += 6.0
    assert ids.known(number)
    assert len(asked) == len(set(asked)) == 8


def test_one_without_references_stays_as_it_came(fake: FakeRegistry) -> None:
    found = fake.schema(put(fake, "updates-value", UPDATE.text))
    assert found is not None
    assert whole_text(fake.version, found) is found.text
    found = fake.schema(fake.register("j", "{", JSON, [Reference("x", "x", 1)]))
    assert found is not None
    assert whole_text(fake.version, found) == "{"
    with pytest.raises(SchemaError):
        read_schema("{")
