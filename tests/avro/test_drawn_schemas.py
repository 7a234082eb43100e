"""Schemas that are drawn: each is one, or is refused with a reason, and none ends the loop."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registered import ENCODE, FIRST, READER, REQUIRED, decoded, named, record

from processor.avro.canonical import aliases
from processor.avro.definition import SchemaError
from processor.avro.schemas import read_schema
from processor.core.fold import fold
from processor.core.outcome import Accepted
from processor.core.update import SessionUpdate

ODD = st.text(st.sampled_from('\ud800\udfff"\\]},.:\0\n\x1b\x85\u2028aé\U0001f600'), max_size=3)
"""Texts of half letters, quotes, dots and control characters."""
NAMES = st.sampled_from(["State", "CartItem", "SessionUpdate", "A", ".A", "x.State", "error", "B"])
LEAVES = st.one_of(
    NAMES,
    st.sampled_from(
        ["null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "", None]
    ),
    st.builds(lambda name: named("enum", name, symbols=["open", "closed"]), NAMES),
    st.builds(lambda name, size: named("fixed", name, size=size), NAMES, st.integers(-1, 9)),
)
FIELD_NAMES = st.sampled_from([field["name"] for field in json.loads(READER.text)["fields"]])


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    field = st.fixed_dictionaries({"name": FIELD_NAMES, "type": inner}, optional={"default": inner})
    return st.one_of(
        st.lists(inner, max_size=3),
        st.builds(lambda each: {"type": each}, inner),
        st.builds(lambda each: {"type": "array", "items": each}, inner),
        st.builds(lambda each: {"type": "map", "values": each}, inner),
        st.builds(
            lambda kind, name, fields: named(kind, name, fields=fields),
            st.sampled_from(["record", "error"]),
            NAMES,
            st.lists(field, max_size=3),
        ),
    )


TYPES = st.recursive(LEAVES, _containers, max_leaves=8)


@given(
    st.lists(st.tuples(FIELD_NAMES, TYPES), max_size=4),
    st.binary(max_size=40).map(lambda tail: FIRST + tail),
    st.booleans(),
)
def test_no_schema_makes_the_loop_end(fields: Any, datum: bytes, whole: bool) -> None:  # noqa: FBT001
    first = REQUIRED if whole else []
    found = decoded(record(*first, *({"name": a, "type": b} for a, b in fields)), datum)
    if isinstance(found, SessionUpdate):
        outcome = fold(None, found, None)
        if isinstance(outcome, Accepted):
            assert ENCODE.read(ENCODE.write(outcome.session)).version == 1


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats()
        | st.integers()
        | st.text(max_size=5)
        | ODD
        | LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "name", "fields", "items", "values", "symbols", "size"])
                | st.sampled_from(["namespace", "default", "aliases", "logicalType"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_schema_or_a_schema_error(document: Any) -> None:
    for text in (json.dumps(document), record(*REQUIRED, {"name": "x", "type": document})):
        assert_a_schema_or_a_schema_error(text)


def assert_a_schema_or_a_schema_error(text: str) -> None:
    for made in (read_schema, aliases):
        with suppress(SchemaError):
            made(text)


EVERY_TEXT = {
    "type": "record",
    "name": "R",
    "namespace": "x",
    "aliases": ["S"],
    "doc": "d",
    "fields": [
        {"name": "a", "aliases": ["b"], "default": "c", "type": ["null", "string"]},
        {"name": "d", "type": {"type": "int", "logicalType": "date"}},
        {
            "name": "e",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": "4", "scale": "2"},
        },
        {"name": "f", "type": named("enum", "E", namespace="y", symbols=["A", "B"], default="A")},
        {"name": "g", "type": named("fixed", "F", namespace="z", size=2, logicalType="duration")},
        {"name": "h", "type": {"type": "map", "values": "y.E"}},
    ],
}


def with_texts(part: Any, texts: Mapping[int, str], at: Iterator[int]) -> Any:
    """Return the part with those texts in place of the ones that have these numbers in it."""
    if isinstance(part, dict):
        return {name: with_texts(value, texts, at) for name, value in part.items()}
    if isinstance(part, list):
        return [with_texts(each, texts, at) for each in part]
    return texts.get(next(at), part) if isinstance(part, str) else part


def assert_odd_texts_are_taken_or_refused(texts: Mapping[int, str]) -> None:
    assert_a_schema_or_a_schema_error(json.dumps(with_texts(EVERY_TEXT, texts, count())))


@pytest.mark.parametrize("odd", ["\ud800", "x.\udfff", '"]}', "\\", "..", "\0", "\x1b[2J", ""])
def test_each_text_of_a_schema_may_be_odd(odd: str) -> None:
    places = count()
    with_texts(EVERY_TEXT, {}, places)
    for place in range(next(places)):
        assert_odd_texts_are_taken_or_refused({place: odd})


@given(st.dictionaries(st.integers(0, 50), ODD, max_size=3))
def test_any_texts_in_a_schema_are_taken_or_a_schema_error(texts: dict[int, str]) -> None:
    assert_odd_texts_are_taken_or_refused(texts)
