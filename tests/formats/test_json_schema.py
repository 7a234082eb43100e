"""The JSON Schema and the parser: one verdict, but for what no schema can say."""

import json
from typing import Any

import json_schema
import pytest
from avro_bytes import COMMANDS, SCHEMAS
from golden import CONTRACT
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from processor.avro.codec import UpdateCodec
from processor.core.session import session_key
from processor.core.update import SessionUpdate
from processor.formats.updates import Updates
from processor.ports.log import Record
from processor.stages.decode import Decode

SCHEMA = json.loads(json_schema.FILE.read_text())
VALIDATOR = Draft7Validator(SCHEMA)
DECODE = Decode(Updates(UpdateCodec(SCHEMAS.updates)), COMMANDS)
PLAIN: dict[str, Any] = {"eventId": "e", "eventTime": 1, "applicationId": 1, "integrationId": "a"}
ITEM: dict[str, Any] = {"name": "", "sku": "S", "quantity": 1, "price": 1}
BEYOND = (
    *("twice", "half a pair", "1.0", "1e0", "1767268801000.0", "1e999", "(5000", "1e400"),
    *("deep", "a byte order mark", "(136", "(258", "item's attributes", "02-29", "1969-", "0000-"),
    *("59-00:01", "NaN", "Infinity", "of another session", "a key mismatch"),
)
"""Parts of the names of vectors that are wrong in a way that no schema can say."""


def accepted(text: bytes, document: Any) -> bool:
    """Whether the parser takes it, with the key that it says."""
    named = document if isinstance(document, dict) else {}
    key = session_key(named.get("applicationId", 1), named.get("integrationId", ""))
    headers = [("content-type", b"application/json")]
    read = DECODE.read(Record(0, 0, 0, key.encode(errors="replace"), text, headers))
    return isinstance(read, SessionUpdate)


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_both_say_the_same_of_the_vectors() -> None:
    compared = 0
    for vector in json.loads((CONTRACT / "formats.json").read_text()):
        if not vector["name"].startswith(("json", "value", "same: JSON by")):
            continue
        if any(part in vector["name"] for part in BEYOND):
            continue
        text = bytes.fromhex(vector["value"])
        try:
            document = json.loads(text.decode())
        except ValueError:
            continue
        compared += 1
        assert VALIDATOR.is_valid(document) == accepted(text, document), vector["name"]
    assert compared > 80


fields = st.sampled_from([*SCHEMA["properties"], "colour"])
values = st.sampled_from(
    [
        *(None, True, 0, 1, -1, 2**31, 0.5, "", "x", "open", "2026-03-01T12:00:00Z", [], ["a"]),
        *([1], {}, {"a": None}, {"a": 1}, {"a": "b"}, [ITEM], [{}], [{**ITEM, "sku": ""}]),
        *([{**ITEM, "weight": None, "attributes": {"x": [None]}}], [{**ITEM, "colour": 1}]),
        *([{**ITEM, "quantity": 0}], [{**ITEM, "price": "1"}], [None], "2026-13-01T00:00:00Z"),
    ]
)


@given(
    st.dictionaries(fields, values, max_size=4), st.sets(st.sampled_from(list(PLAIN)), max_size=1)
)
def test_both_say_the_same_of_any_document(changes: dict[str, Any], absent: set[str]) -> None:
    document = {n: v for n, v in {**PLAIN, **changes}.items() if n not in absent}
    verdict = VALIDATOR.is_valid(document)
    assert verdict == accepted(json.dumps(document).encode(), document), document


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"total":1,"total":2', "a name twice"),
        ('"total":1e999', "no double"),
        ('"coupon":"\\ud800"', "half a pair"),
        ('"attributes":{"a":' + "[" * 65 + "]" * 65 + "}", "too deep"),
        ('"cartItems":[{"name":"","sku":"S","quantity":1.0,"price":1}]', "a fraction"),
    ],
)
def test_what_only_the_parser_refuses(text: str, why: str) -> None:
    whole = json.dumps(PLAIN)[:-1] + f",{text}}}"
    assert VALIDATOR.is_valid(json.loads(whole)), why
    assert not accepted(whole.encode(), PLAIN), why
