"""Which schemas are known, under which fingerprints, and which are refused."""

import json
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from processor.avro import schemas as module
from processor.avro.codec import COMMAND_FIELDS, SESSION_FIELDS, CommandCodec
from processor.avro.definition import SchemaError
from processor.avro.framing import single_object
from processor.avro.schemas import load_schemas, read_schema, shipped_schemas
from processor.core.command import SessionCommand
from processor.core.session import CartItem, Session
from processor.core.update import UPDATE_FIELDS, SessionUpdate
from processor.errors import ConfigError

SHIPPED = shipped_schemas()


def record(name: str, *fields: dict[str, Any], **more: Any) -> str:
    return json.dumps({"type": "record", "name": name, "fields": fields, **more})


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def crc_64_avro(data: bytes) -> bytes:
    """Return the fingerprint bit by bit, as the specification defines it."""
    polynomial = result = 0xC15D213AA4D7A795
    for byte in data:
        result ^= byte
        for _ in range(8):
            result = (result >> 1) ^ (polynomial if result & 1 else 0)
    return result.to_bytes(8, "little")


def test_a_schema_has_the_domains_fields_in_its_order() -> None:
    known = load_schemas()
    for schema, names in (
        (known.updates, UPDATE_FIELDS),
        (known.snapshots, SESSION_FIELDS),
        (known.commands, COMMAND_FIELDS),
    ):
        document = json.loads(schema.reader.text)
        assert document["namespace"] == "sessions"
        assert tuple(field["name"] for field in document["fields"]) == names
        assert all(field["doc"] for field in document["fields"])
    assert (*map(snake, UPDATE_FIELDS), "offset") == SessionUpdate._fields
    assert tuple(map(snake, SESSION_FIELDS)) == Session._fields
    assert (*map(snake, COMMAND_FIELDS), "offset") == SessionCommand._fields


@pytest.mark.parametrize("name", ["SessionUpdate", "CustomerSession"])
def test_a_cart_item_and_the_states_are_the_same_in_both(name: str) -> None:
    fields = {f["name"]: f for f in json.loads((SHIPPED / f"{name}.avsc").read_text())["fields"]}
    items, state = fields["cartItems"]["type"], fields["state"]["type"]
    if name == "SessionUpdate":
        items, state = items[1], state[1]
    assert {field["name"] for field in items["items"]["fields"]} == set(CartItem.__annotations__)
    assert state["symbols"] == ["open", "closed", "cancelled"]
    assert "default" not in state
    for field in items["items"]["fields"]:
        assert (field.get("default", "none") is None) == (
            field["name"] in CartItem.__optional_keys__
        )


def test_optional_fields_of_an_update_are_null_by_default() -> None:
    for field in json.loads((SHIPPED / "SessionUpdate.avsc").read_text())["fields"][4:]:
        assert field["type"][0] == "null"
        assert field["default"] is None


def test_a_fingerprint_is_the_little_endian_crc_of_the_canonical_form() -> None:
    known = load_schemas()
    for schema in chain.from_iterable(each.writers.values() for each in known):
        assert schema.fingerprint == crc_64_avro(schema.canonical.encode())
    assert crc_64_avro(b'"null"') == (7195948357588979594).to_bytes(8, "little")  # Avro's own


@pytest.mark.parametrize("file", ["SessionUpdate.avsc", "history/SessionUpdate.1.avsc"])
def test_neither_docs_nor_defaults_nor_logical_types_change_a_fingerprint(file: str) -> None:
    text = (SHIPPED / file).read_text()
    document = json.loads(text)
    del document["doc"]
    document["fields"][1]["type"] = "long"
    assert read_schema(json.dumps(document)).fingerprint == read_schema(text).fingerprint


def test_logical_types_are_not_read_even_within_a_union() -> None:
    logical = {"type": "long", "logicalType": "timestamp-millis"}
    text = record("A", {"name": "a", "type": ["null", logical]}, {"name": "b", "type": logical})
    assert "logicalType" not in str(read_schema(text).parsed)


def test_the_older_update_is_known() -> None:
    updates = load_schemas().updates
    assert len(updates.writers) >= 2
    assert updates.writers[updates.reader.fingerprint] is updates.reader


def test_texts_are_what_a_reader_needs_to_find_a_schema() -> None:
    snapshots = load_schemas().snapshots
    texts = snapshots.texts()
    assert (
        texts[snapshots.reader.fingerprint.hex()] == (SHIPPED / "CustomerSession.avsc").read_text()
    )


def test_a_directory_adds_writers_schemas(tmp_path: Path) -> None:
    newer = record("shop.SessionUpdate", {"name": "eventId", "type": "string"})
    (tmp_path / "any.avsc").write_text(newer)
    (tmp_path / "notes.txt").write_text("not a schema")
    shutil.copy(SHIPPED / "CustomerSession.avsc", tmp_path / "the same again.avsc")
    known = load_schemas(tmp_path)
    assert known.updates.writers[read_schema(newer).fingerprint].name == "shop.SessionUpdate"
    assert len(known.snapshots.writers) == len(load_schemas().snapshots.writers)


def test_a_directory_adds_writers_of_commands(tmp_path: Path) -> None:
    """What a newer version writes is a command as soon as its schema is known."""
    newer = json.loads((SHIPPED / "SessionCommand.avsc").read_text())
    newer["fields"].append({"name": "reason", "type": ["null", "string"], "default": None})
    (tmp_path / "SessionCommand.2.avsc").write_text(json.dumps(newer))
    known = load_schemas(tmp_path).commands
    (schema,) = (each for key, each in known.writers.items() if key != known.reader.fingerprint)
    told = SessionCommand("e", 1, 1, "a", "erase", forget=["p"], release=[])
    # The new field is null, behind what this version writes.
    value = single_object(schema.fingerprint) + CommandCodec(known).write(told)[10:] + b"\0"
    assert CommandCodec(known).is_command(value)
    assert CommandCodec(known).read(value, 7) == told._replace(offset=7)
    assert not CommandCodec(load_schemas().commands).is_command(value)


RECURSIVE = record("SessionUpdate", {"name": "next", "type": ["null", "SessionUpdate"]})
EMPTY = {"type": "record", "name": "Empty", "fields": [{"name": "a", "type": "null"}]}
REFUSED = {
    "no JSON": "{",
    "not UTF-8": b"\xff",
    "no schema": "{}",
    "an unknown type": record("SessionUpdate", {"name": "a", "type": "text"}),
    "a bad symbol": record(
        "SessionUpdate", {"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["no-"]}}
    ),
    "no record": '"string"',
    "a union": '["null", "string"]',
    "a number": "1",
    "nested too deep": '{"type":"array","items":' * 5000 + '"int"' + "}" * 5000,
    "another record": record("Order", {"name": "a", "type": "int"}),
    "a type inside itself": RECURSIVE,
    "a type inside another inside itself": record(
        "SessionUpdate",
        {
            "name": "a",
            "type": {
                "type": "record",
                "name": "B",
                "fields": [
                    {"name": "c", "type": {"type": "map", "values": ["null", "SessionUpdate"]}}
                ],
            },
        },
    ),
    "an array of nothing": record(
        "SessionUpdate", {"name": "a", "type": {"type": "array", "items": "null"}}
    ),
    "an array of empty records": record(
        "SessionUpdate",
        {"name": "a", "type": EMPTY},
        {"name": "b", "type": ["null", {"type": "array", "items": "Empty"}]},
    ),
    "an array of fixed nothing": record(
        "SessionUpdate",
        {
            "name": "a",
            "type": {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}},
        },
    ),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_bad_file_is_named(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "bad.avsc"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=r"bad\.avsc"):
        load_schemas(tmp_path)


def test_a_type_used_twice_and_every_kind_of_type_is_no_reason_to_refuse() -> None:
    kinds = ("boolean", "int", "long", "float", "double", "bytes", "string", "null")
    read_schema(
        record(
            "SessionUpdate",
            *({"name": kind, "type": kind} for kind in kinds),
            {"name": "empty", "type": EMPTY},
            {"name": "again", "type": "Empty"},
            {"name": "maps", "type": {"type": "map", "values": "Empty"}},
            {"name": "arrays", "type": {"type": "array", "items": ["null", "Empty"]}},
            {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 3}},
        )
    )


def test_two_schemas_under_one_fingerprint_are_a_clash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "crc_64", lambda _: bytes(8))
    (tmp_path / "clash.avsc").write_text(record("CustomerSession", {"name": "a", "type": "int"}))
    with pytest.raises(ConfigError, match=r"\.avsc: its fingerprint"):
        load_schemas(tmp_path)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_schemas(tmp_path / "nowhere")


def test_an_installed_package_carries_its_schemas_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SHIPPED, tmp_path / "processor" / "schemas")
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "processor")
    assert shipped_schemas() == tmp_path / "processor" / "schemas"
    assert load_schemas().updates.reader.name == "sessions.SessionUpdate"


def test_a_schema_error_is_not_a_setting() -> None:
    with pytest.raises(SchemaError, match="not JSON"):
        read_schema("{")
