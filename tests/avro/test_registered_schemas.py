"""Whatever a registry holds under an id: an update is read by it, or undecodable with a reason."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from avro_bytes import SCHEMAS
from registered import (
    DATUM,
    FIRST,
    READER,
    REQUIRED,
    decoded,
    named,
    read_with,
    record,
)
from values import an_update

from processor.avro.canonical import aliases, crc_64
from processor.avro.codec import UpdateCodec
from processor.avro.compatibility import breaks
from processor.avro.definition import SchemaError
from processor.avro.framing import confluent
from processor.avro.schemas import Schema, read_schema
from processor.core.outcome import Reason, Rejected
from processor.core.update import SessionUpdate


def behind(kind: Any, **more: Any) -> str:
    """Return a schema of the fields that cannot be null, and of one that the reader lacks."""
    return record(*REQUIRED, {"name": "extra", "type": kind, **more})


A = named("record", "A", fields=[{"name": "a", "type": "int"}])
ZERO = b"\0"
READ = {
    "an error": (record(*REQUIRED, type="error"), b""),
    "an error inside": (behind({**A, "type": "error"}), ZERO),
    "an error twice": (
        record(
            *REQUIRED, {"name": "x", "type": {**A, "type": "error"}}, {"name": "y", "type": "A"}
        ),
        ZERO * 2,
    ),
    "an error named error": (
        behind([named("error", "error", fields=[{"name": "a", "type": "int"}]), "error"][:1]),
        ZERO * 2,
    ),
    "a string by default null": (behind("string", default=None), ZERO),
    "a long by default a string": (behind("long", default="0"), ZERO),
    "an int by default 1.5": (behind("int", default=1.5), ZERO),
    "a union by default none of its branches": (behind(["null", "string"], default=7), ZERO),
    "a record by default a list": (behind(A, default=[]), ZERO),
    "an array by default null": (behind({"type": "array", "items": "int"}, default=None), ZERO),
    "a map by default a list": (behind({"type": "map", "values": "int"}, default=[1]), ZERO),
    "an enum by default no symbol": (
        behind(named("enum", "E", symbols=["A"], default="B"), default="C"),
        ZERO,
    ),
    "a double by default true": (behind("double", default=True), bytes(8)),
    "a field of the reader by a wrong default": (
        record(*REQUIRED, {"name": "coupon", "type": "string", "default": None}),
        b"\x02A",
    ),
    "a logical type that nobody knows": (behind({"type": "int", "logicalType": "moon"}), ZERO),
    "a logical type that is no text": (behind({"type": "int", "logicalType": {}}), ZERO),
    "a logical type of half a letter": (
        behind({"type": "int", "logicalType": "\ud800"}),
        ZERO,
    ),
    "a logical type with a quote": (behind({"type": "int", "logicalType": '"}'}), ZERO),
    "a decimal of the precision half a letter": (
        behind({"type": "bytes", "logicalType": "decimal", "precision": "\ud800"}),
        ZERO,
    ),
    "a decimal of scale -1": (
        behind({"type": "bytes", "logicalType": "decimal", "precision": 0, "scale": -1}),
        ZERO,
    ),
    "a decimal that does not fit": (
        behind(named("fixed", "F", size=1, logicalType="decimal", precision=99, scale="x")),
        ZERO,
    ),
    "a date of a string": (behind({"type": "string", "logicalType": "date"}), ZERO),
    "a type in a type": (behind({"type": {"type": {"type": "string"}}}), ZERO),
    "a union in a type": (behind({"type": ["null", "string"]}), ZERO),
    "a name in a type": (
        record(*REQUIRED, {"name": "x", "type": A}, {"name": "y", "type": {"type": "A"}}),
        ZERO * 2,
    ),
    "a name with a dot before it": (
        record(*REQUIRED, {"name": "x", "type": {**A, "name": ".A"}}, {"name": "y", "type": ".A"}),
        ZERO * 2,
    ),
    "a namespace of nothing": (
        record(
            *REQUIRED, {"name": "x", "type": {**A, "namespace": ""}}, {"name": "y", "type": "A"}
        ),
        ZERO * 2,
    ),
    "a namespace of null": (
        record(
            *REQUIRED,
            {"name": "x", "type": {**A, "namespace": None}},
            {"name": "y", "type": "sessions.A"},
        ),
        ZERO * 2,
    ),
    "a record without a namespace": (record(*REQUIRED, namespace=""), b""),
    "a record of another namespace": (record(*REQUIRED, namespace="shop.events"), b""),
    "one name in two namespaces": (
        record(
            *REQUIRED,
            {"name": "x", "type": A},
            {"name": "y", "type": {**A, "namespace": "other"}},
        ),
        ZERO * 2,
    ),
    "a type named record": (behind(named("enum", "record", symbols=["A"])), ZERO),
    "aliases that are no list": (behind("int", aliases="x"), ZERO),
    "attributes that fastavro has for its own": (
        behind("int")[:-1] + ', "__fastavro_parsed": true, "__named_schemas": {"a": 1}}',
        ZERO,
    ),
    "a union of nothing but one": (behind(["int"]), ZERO * 2),
    "a huge name": (behind(named("enum", "E" * 100_000, symbols=["A"])), ZERO),
}


@pytest.mark.parametrize(("text", "tail"), READ.values(), ids=READ)
def test_an_update_is_read(text: str, tail: bytes) -> None:
    found = decoded(text, FIRST + tail)
    assert isinstance(found, SessionUpdate), found
    assert aliases(text)
    assert found._replace(coupon=None) == an_update()
    assert found.coupon == ("A" if "wrong" in text or tail == b"\x02A" else None)


def doubling(count: int, leaf: Any = "boolean", kind: Callable[[Any], Any] = str) -> list[Any]:
    """Return fields of so many records, each of which has the one before it twice.

    All but the last field are null.
    """
    fields = []
    for number in range(count):
        before = kind(f"R{number - 1}") if number else leaf
        twice = [{"name": "a", "type": before}, {"name": "b", "type": before}]
        whole = named("record", f"R{number}", fields=twice)
        last = number == count - 1
        fields.append({"name": f"f{number}", "type": whole if last else ["null", whole]})
    return fields


def parallel(count: int, leaf: Any) -> str:
    """Return an array of records that take no byte but in one field."""
    fields = [{"name": f"f{number}", "type": leaf} for number in range(count)]
    item = named("record", "A", fields=[*fields, {"name": "z", "type": "boolean"}])
    return behind({"type": "array", "items": item})


REFUSED = {
    "no JSON": ("{", "not JSON"),
    "nothing": ("", "not JSON"),
    "a protobuf schema": ('syntax = "proto3"; message A {}', "not JSON"),
    "a JSON schema": ('{"type": "object", "properties": {}}', 'does not define the type "object"'),
    "a JSON schema of everything": ("true", "no Avro type"),
    "a schema of a string": ('"string"', "does not define a record"),
    "a schema of a map": ('{"type": "map", "values": "int"}', "does not define a record"),
    "a union at the top": (f"[{record(*REQUIRED)}]", "does not define a record"),
    "a protocol": ('{"protocol": "P", "types": []}', "no Avro type"),
    "a number": ("1", "no Avro type"),
    "a list of nothing": ("[]", "does not define a record"),
    "a number of 5,000 digits": ("1" * 5_000, "not JSON"),
    "a reference": (behind("other.Thing"), 'does not define the type "other.Thing", nor does'),
    "a reference that an object holds": (behind({"type": "Thing"}), "does not define the type"),
    "an error union": (behind({"type": "error_union"}), "does not define the type"),
    "a type inside itself": (behind(["null", "SessionUpdate"]), "is inside itself"),
    "a type without a kind": (behind({"name": "A"}), "no Avro type"),
    "a type of null": (behind(None), "no Avro type"),
    "a type that is a number": (behind({"type": 7}), "no Avro type"),
    "an array of nothing": (behind({"type": "array"}), "no Avro type"),
    "a record without fields": (behind(named("record", "A")), "has no list of fields"),
    "a field that is a text": (record(*REQUIRED, "x"), "is no field"),
    "a field without a type": (record(*REQUIRED, {"name": "x"}), "is no field"),
    "a field without a name": (record(*REQUIRED, {"type": "int"}), "is no name"),
    "a field twice": (record(*REQUIRED, REQUIRED[0]), "the field eventId twice"),
    "a type twice": (
        record(*REQUIRED, {"name": "x", "type": A}, {"name": "y", "type": A}),
        "defines the type sessions.A twice",
    ),
    "a type without a name": (behind({"type": "enum", "symbols": ["A"]}), "is no name"),
    "a name that is a number": (behind(named("enum", 7, symbols=["A"])), "is no name"),  # type: ignore[arg-type]
    "a name that ends with a dot": (behind(named("enum", "a.", symbols=["A"])), "is no name"),
    "a name with a quote": (behind(named("enum", '"', symbols=["A"])), "is no name"),
    "a name of half a letter": (behind(named("enum", "\ud800", symbols=["A"])), "is no name"),
    "a namespace of half a letter": (record(*REQUIRED, namespace="\ud800"), "no namespace"),
    "a namespace of half a letter, inside": (
        behind({**A, "namespace": "x.\udfff"}),
        "is no namespace",
    ),
    "a namespace with quotes": (record(*REQUIRED, namespace='"]}'), "is no namespace"),
    "a namespace with a backslash": (record(*REQUIRED, namespace="a\\"), "is no namespace"),
    "a namespace with NUL": (record(*REQUIRED, namespace="a\0"), "is no namespace"),
    "a namespace of dots": (record(*REQUIRED, namespace=".."), "is no namespace"),
    "a namespace that ends with a dot": (record(*REQUIRED, namespace="a."), "is no namespace"),
    "a name with two dots": (behind({**A, "name": "a..A"}), "is no namespace"),
    "a namespace that each name would repeat": (
        record(*REQUIRED, namespace="a" * 1_001),
        "is no namespace",
    ),
    "an alias of half a letter": (record(*REQUIRED, aliases=["\ud800"]), "is no name"),
    "an alias in such a namespace": (record(*REQUIRED, aliases=["\ud800.A"]), "is no name"),
    "a field's alias of half a letter": (behind("int", aliases=["\ud800"]), "is no name"),
    "a field of half a letter": (record({"name": "\ud800", "type": "int"}), "is no name"),
    "a symbol of half a letter": (behind(named("enum", "E", symbols=["\ud800"])), "is no name"),
    "an enum without symbols": (behind(named("enum", "E")), "no list of symbols"),
    "an enum of numbers": (behind(named("enum", "E", symbols=[1])), "is no name"),
    "an enum of one twice": (behind(named("enum", "E", symbols=["A", "A"])), "no Avro|not an Avro"),
    "a fixed type of size -1": (behind(named("fixed", "F", size=-1)), "has the size -1"),
    "a fixed type of size 2^70": (behind(named("fixed", "F", size=2**70)), "has the size"),
    "a fixed type of size 1.5": (behind(named("fixed", "F", size=1.5)), "has the size 1.5"),
    "a fixed type of size true": (behind(named("fixed", "F", size=True)), "has the size true"),
    "a union within a union": (behind([["null"]]), "within a union"),
    "a union of one twice": (behind(["int", "int"]), "one type twice"),
    "brackets": ("[" * 100_000, "nested too deep"),
    "arrays within arrays": (
        behind(json.loads('{"type":"array","items":' * 150 + '"int"' + "}" * 150)),
        "nested too deep",
    ),
    "what doubles": (record(*REQUIRED, *doubling(20)), "more than 10000 types"),
    "what doubles and takes no bytes": (
        record(*REQUIRED, *doubling(20, "null")),
        "more than 10000 types",
    ),
    "items of many nothings": (parallel(300, "null"), "parts that take no bytes"),
    "items of many empty records": (
        record(
            *REQUIRED,
            *doubling(8, "null"),
            {"name": "x", "type": {"type": "map", "values": "R7"}},
        ),
        "parts that take no bytes",
    ),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED)
def test_an_update_is_undecodable_and_the_message_says_why(text: str, why: str) -> None:
    found = decoded(text, FIRST)
    assert isinstance(found, Rejected)
    assert found.reason is Reason.UNDECODABLE
    assert found.message.startswith("the schema 7 of the registry cannot be used: ")
    assert len(found.message) < 600
    with pytest.raises(SchemaError, match=why):
        read_schema(text)


MISFITS = {
    "a long for an int": (
        {"applicationId": "long"},
        "applicationId: long is written, int is read",
        b"",
    ),
    "a number for a text": (
        {"coupon": ["null", "long", "string"]},
        "coupon: long is written, null or string is read",
        b"\x02\x02",
    ),
    "a text for a number": (
        {"total": "string"},
        "total: string is written, null or double is",
        b"\0",
    ),
    "another enum": (
        {"state": named("enum", "Status", symbols=["open"])},
        "state: enum Status is written, enum State is read",
        b"\0",
    ),
    "a state more": (
        {"state": named("enum", "State", symbols=["paid", "open"])},
        "state: the symbols paid are not there",
        b"\0",
    ),
    "another item": (
        {"cartItems": {"type": "array", "items": named("record", "Line", fields=A["fields"])}},
        "cartItems[]: record Line is written, record CartItem is read",
        b"\x02\0\0",
    ),
    "items of an int": (
        {"identifiers": {"type": "array", "items": "int"}},
        "identifiers[]: int is written, string is read",
        b"\x02\x02\0",
    ),
    "values of a boolean": (
        {"discounts": {"type": "map", "values": "boolean"}},
        "discounts{}: boolean is written, null or double is read",
        b"\x02\x02A\x01\0",
    ),
    "a fixed type for a state": (
        {"state": named("fixed", "State", size=1)},
        "the type State: fixed is written, enum is read",
        b"\0",
    ),
    "an enum for an item": (
        {"cartItems": {"type": "array", "items": named("enum", "CartItem", symbols=["A"])}},
        "the type CartItem: enum is written, record is read",
        b"\x02\0\0",
    ),
}


@pytest.mark.parametrize(("types", "where", "tail"), MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_is_told_by_its_field_and_both_types(
    types: dict[str, Any], where: str, tail: bytes
) -> None:
    (name,) = types
    fields = [{**each, "type": types.get(each["name"], each["type"])} for each in REQUIRED]
    if tail:
        fields.append({"name": name, "type": types[name]})
    found = decoded(record(*fields), FIRST + tail)
    assert isinstance(found, Rejected)
    assert where in found.message
    assert "{'" not in found.message
    assert len(found.message) < 300


def test_another_record_is_told_by_both_names() -> None:
    found = decoded(record(*REQUIRED, name="Order", namespace="shop"), FIRST)
    assert isinstance(found, Rejected)
    assert "the record: record Order is written, record SessionUpdate is read" in found.message


def test_a_schema_made_to_have_the_fingerprint_is_not_taken_for_this_versions() -> None:
    class Forged:
        def schema(self, _schema_id: Any) -> Schema:
            return read_schema(record(REQUIRED[0]))._replace(fingerprint=READER.fingerprint)

    assert UpdateCodec(SCHEMAS.updates, Forged()).own_header(confluent(7) + DATUM) is None
    found = read_with(Forged(), DATUM)
    assert isinstance(found, Rejected)
    assert found.reason is Reason.UNDECODABLE


def steps(act: Callable[[], object]) -> int:
    """Return how many calls it takes; it may raise SchemaError."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        act()
    except SchemaError:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "kind",
    [
        str,
        lambda name: ["null", name],
        lambda name: {"type": "map", "values": name},
        lambda name: {"type": "array", "items": name},
        lambda name: ["null", {"type": "array", "items": name}],
    ],
)
@pytest.mark.parametrize("count", [20, 50, 200])
def test_what_doubles_takes_steps_as_many_as_it_has_types(
    count: int, kind: Callable[[Any], Any]
) -> None:
    text = record(*REQUIRED, *doubling(count, kind=kind))
    assert steps(lambda: read_schema(text)) < 150 * (count + 10)


@pytest.mark.parametrize("leaf", ["boolean", "null"])
def test_what_doubles_within_the_limit_is_compared_and_read_in_few_steps(leaf: str) -> None:
    """Eleven records are 8,000 types where each name is written out."""
    schema = read_schema(record(*REQUIRED, *doubling(11, leaf)))
    other = read_schema(record(*REQUIRED, *doubling(11, "string")))
    assert steps(lambda: breaks(schema, schema)) < 5_000
    assert steps(lambda: breaks(other, schema)) < 200_000
    found = decoded(schema.text, FIRST + bytes(10 + (2**11 if leaf == "boolean" else 0)))
    assert found == an_update()


def test_what_has_no_bytes_has_no_fingerprint() -> None:
    with pytest.raises(SchemaError, match="has no bytes"):
        crc_64('"\ud800"')
