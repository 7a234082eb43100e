"""Sessions and updates as JSON, whatever their attributes hold."""

import json
from datetime import datetime

import pytest

from processor.cli.common.documents import iso_time, json_document
from processor.demo.catalogue import UNUSUAL_JSON
from processor.telemetry.visible import printable


@pytest.mark.parametrize("text", UNUSUAL_JSON)
def test_an_attribute_is_embedded_as_it_stands_in_one_line(text: str) -> None:
    document = json_document({"attributes": {"odd": text}, "total": 1.5, "eventMemory": b"12"})
    assert len(document.split("\n")) == 1
    assert text.strip() in document
    kept = json.JSONDecoder(parse_int=str, parse_float=str).decode(document)
    assert kept == {
        "attributes": {"odd": json.JSONDecoder(parse_int=str, parse_float=str).decode(text)},
        "total": "1.5",
    }


def test_names_that_amounts_share_with_fields_are_amounts() -> None:
    document = json_document({"discounts": {"attributes": 1.5, "eventMemory": 2.0}})
    assert json.loads(document) == {"discounts": {"attributes": 1.5, "eventMemory": 2.0}}


def test_times_are_milliseconds_and_what_json_lacks_is_text() -> None:
    moment = datetime.fromisoformat("2026-03-01T12:00:00.500+00:00")
    document = json_document(
        {"created": moment, "total": float("nan"), "attributes": {"a": "NaN", "b": None}}
    )
    assert json.loads(document) == {
        "created": 1772366400500,
        "total": "nan",
        "attributes": {"a": "NaN", "b": None},
    }


def test_times_for_people() -> None:
    assert iso_time(1772366400500) == "2026-03-01T12:00:00.500Z"
    assert iso_time(253_402_300_799_999) == "9999-12-31T23:59:59.999Z"
    assert iso_time(2**62) == f"{2**62} ms"
    assert iso_time(-(2**62)) == f"{-(2**62)} ms"


def test_data_cannot_drive_a_terminal() -> None:
    assert printable("a\x1b[2Jé\n寝") == "a\\x1b[2Jé\\n寝"
