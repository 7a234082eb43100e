"""What a reader cannot read is told beforehand, with its place; and it is what fastavro refuses."""

import io
import json
from typing import Any

import pytest
from avro_bytes import SCHEMAS
from fastavro import schemaless_reader, schemaless_writer

from processor.avro.compatibility import breaks
from processor.avro.schemas import Schema, read_schema

ITEM = {"type": "record", "name": "Item", "fields": [{"name": "price", "type": "int"}]}
COLOR = {"type": "enum", "name": "Color", "symbols": ["RED", "BLUE"]}


def record(*fields: dict[str, Any], name: str = "shop.Cart") -> Schema:
    return read_schema(json.dumps({"type": "record", "name": name, "fields": fields}))


def field(kind: Any, name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def found(writer: Schema, reader: Schema) -> list[str]:
    return [str(each) for each in breaks(writer, reader)]


def test_a_schema_reads_itself_and_what_the_history_has() -> None:
    for known in SCHEMAS:
        for writer in known.writers.values():
            assert found(writer, known.reader) == []


@pytest.mark.parametrize(
    ("writer", "reader", "broken"),
    [
        ([field("int")], [field("int"), field("int", "b")], "b: it is not written, and has no def"),
        ([field("string")], [field("int")], "a: string is written, int is read"),
        ([field("long")], [field("int")], "a: long is written, int is read"),
        ([field("double")], [field("float")], "a: double is written, float is read"),
        ([field(["null", "int"])], [field("int")], "a: null is written, int is read"),
        ([field("string")], [field(["null", "int"])], "a: string is written, null or int is read"),
        (
            [field({"type": "array", "items": ITEM})],
            [
                field(
                    {
                        "type": "array",
                        "items": {**ITEM, "fields": [{"name": "price", "type": "string"}]},
                    }
                )
            ],
            "a[].price: int is written, string is read",
        ),
        (
            [field({"type": "map", "values": "double"})],
            [field({"type": "map", "values": "long"})],
            "a{}: double is written, long is read",
        ),
        ([field(COLOR)], [field({**COLOR, "symbols": ["RED"]})], "a: the symbols BLUE are not the"),
        (
            [field(COLOR)],
            [field({**COLOR, "name": "Paint"})],
            "a: enum Color is written, enum Paint is read",
        ),
        (
            [field({"type": "fixed", "name": "F", "size": 4})],
            [field({"type": "fixed", "name": "F", "size": 8})],
            "a: 4 bytes were written, 8 are read",
        ),
        ([field({"type": "array", "items": "int"})], [field("int")], "a: array is written, int"),
    ],
)
def test_what_breaks_is_named_with_its_place(
    writer: list[dict[str, Any]], reader: list[dict[str, Any]], broken: str
) -> None:
    (told,) = found(record(*writer), record(*reader))
    assert told.startswith(broken)


def test_another_record_is_no_match() -> None:
    (told,) = found(record(field("int")), record(field("int"), name="shop.Order"))
    assert told == "the record: record Cart is written, record Order is read"


@pytest.mark.parametrize(
    ("writer", "reader", "value", "read"),
    [
        ([field("int"), field("int", "b")], [field("int")], {"a": 1, "b": 2}, {"a": 1}),
        ([field("int")], [field("int"), field("int", "b", default=7)], {"a": 1}, {"a": 1, "b": 7}),
        ([field("int")], [field("double")], {"a": 1}, {"a": 1.0}),
        ([field("string")], [field(["null", "string"])], {"a": "x"}, {"a": "x"}),
        ([field("int")], [field("int", "b", aliases=["a"])], {"a": 1}, {"b": 1}),
        (
            [field(COLOR)],
            [field({**COLOR, "symbols": ["RED"], "default": "RED"})],
            {"a": "BLUE"},
            {"a": "RED"},
        ),
        ([field(["null", ITEM])], [field(["null", ITEM])], {"a": {"price": 1}}, None),
        (
            [field(ITEM), field("Item", "b")],
            [field(ITEM), field("Item", "b")],
            {"a": {"price": 1}, "b": {"price": 2}},
            None,
        ),
    ],
)
def test_what_is_said_to_be_read_is_read(
    writer: list[dict[str, Any]],
    reader: list[dict[str, Any]],
    value: dict[str, Any],
    read: dict[str, Any] | None,
) -> None:
    old, new = record(*writer), record(*reader)
    assert found(old, new) == []
    out = io.BytesIO()
    schemaless_writer(out, old.parsed, value)
    out.seek(0)
    assert schemaless_reader(out, old.parsed, new.parsed) == (read or value)
