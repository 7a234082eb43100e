"""Sessions and updates as JSON, whatever their attributes hold."""

import json
from datetime import datetime

import pytest
from values import an_item

from processor.avro.codec import SESSION_FIELDS
from processor.cli.common.documents import (
    document_json,
    fields_json,
    record_time,
    session_json,
)
from processor.cli.sessions.lives import fields_of
from processor.core.session import Session
from processor.demo.catalogue import UNUSUAL_JSON
from processor.ports.instants import iso_time
from processor.telemetry.visible import printable

DOCUMENT = (
    *("integrationId", "created", "applicationId", "profileId", "coupon", "referral", "state"),
    *("cartItems", "identifiers", "total", "attributes", "firstSession", "discounts"),
)
ITEM = an_item(height=0.0, attributes={"gift": "true"})
SESSION = Session("cart-17", 1772366400500, 1, cart_items=[ITEM], updated=0, version=1)


@pytest.mark.parametrize("text", UNUSUAL_JSON)
def test_an_attribute_is_embedded_as_it_stands_in_one_line(text: str) -> None:
    document = session_json({"attributes": {"odd": text}, "total": 1.5, "eventMemory": b"12"})
    assert len(document.split("\n")) == 1
    assert text.strip() in document
    kept = json.JSONDecoder(parse_int=str, parse_float=str).decode(document)
    assert kept == {
        "attributes": {"odd": json.JSONDecoder(parse_int=str, parse_float=str).decode(text)},
        "total": "1.5",
    }


def test_a_session_is_the_document_then_what_the_processor_adds() -> None:
    own = ("previousState", "version", "updated", "lastEventId", "inputOffset")
    backwards = dict(reversed(fields_of(SESSION).items()))
    told = json.loads(session_json(backwards, outputPartition=2, outputOffset=9))
    assert tuple(told)[: len(DOCUMENT)] == DOCUMENT
    assert {*told} == {*DOCUMENT, *own, "outputPartition", "outputOffset"}
    assert tuple(told)[-2:] == ("outputPartition", "outputOffset")
    assert tuple(json.loads(session_json(fields_of(SESSION)))) == DOCUMENT + own
    assert tuple(json.loads(document_json(backwards))) == DOCUMENT
    assert SESSION_FIELDS[: len(DOCUMENT)] == DOCUMENT


def test_an_item_has_no_field_that_it_lacks_and_a_zero_is_one_that_it_has() -> None:
    [item] = json.loads(document_json(fields_of(SESSION)))["cartItems"]
    assert item == {
        "name": "Mug",
        "sku": "mug",
        "quantity": 1,
        "price": 9.5,
        "height": 0.0,
        "attributes": {"gift": True},
    }
    letter = json.loads(fields_json({"cartItems": [ITEM], "coupon": None, "attributes": None}))
    assert letter == {"cartItems": [item], "coupon": None, "attributes": None}


@pytest.mark.parametrize("name", ["attributes", "eventMemory", "created", "cartItems", "total"])
def test_names_that_amounts_share_with_fields_are_amounts(name: str) -> None:
    assert json.loads(document_json({"discounts": {name: 1.5}})) == {"discounts": {name: 1.5}}


def test_times_are_of_rfc_3339_and_what_json_lacks_is_text() -> None:
    moment = datetime.fromisoformat("2026-03-01T12:00:00.500+00:00")
    document = session_json(
        {"created": moment, "total": float("nan"), "attributes": {"a": "NaN", "b": None}}
    )
    assert json.loads(document) == {
        "created": "2026-03-01T12:00:00.500Z",
        "total": "nan",
        "attributes": {"a": "NaN", "b": None},
    }
    told = json.loads(session_json(fields_of(SESSION)))
    assert (told["created"], told["updated"]) == (
        "2026-03-01T12:00:00.500Z",
        "1970-01-01T00:00:00.000Z",
    )


def test_a_time_that_no_date_has_is_its_number() -> None:
    assert json.loads(fields_json({"eventTime": 2**62})) == {"eventTime": 2**62}
    assert json.loads(fields_json({"eventTime": -1})) == {"eventTime": "1969-12-31T23:59:59.999Z"}
    assert [record_time(-1), record_time(0)] == [None, "1970-01-01T00:00:00.000Z"]


def test_times_for_people() -> None:
    assert iso_time(1772366400500) == "2026-03-01T12:00:00.500Z"
    assert iso_time(253_402_300_799_999) == "9999-12-31T23:59:59.999Z"
    assert iso_time(2**62) == f"{2**62} ms"
    assert iso_time(-(2**62)) == f"{-(2**62)} ms"


def test_data_cannot_drive_a_terminal() -> None:
    assert printable("a\x1b[2Jé\n寝") == "a\\x1b[2Jé\\n寝"
