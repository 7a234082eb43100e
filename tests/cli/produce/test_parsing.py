"""What a line of JSON says as an update, and what is told of one that says none."""

import json
import re
import time

import pytest

from processor.cli.produce.parsing import parse_update
from processor.core.validate import validate

LEAST = {"applicationId": 1, "integrationId": "a"}


def line(**fields: object) -> str:
    return json.dumps({**LEAST, **fields})


def test_the_least_line_gets_an_id_and_a_time_of_its_own() -> None:
    before = time.time_ns() // 1_000_000
    first, second = parse_update(line()), parse_update(line(eventId=None, eventTime=None))
    assert first.event_id
    assert first.event_id != second.event_id
    assert before <= first.event_time <= time.time_ns() // 1_000_000
    assert not first.changes_fields
    assert first.state is None


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        (0, 0),
        (1_717_200_000_123, 1_717_200_000_123),
        ("1970-01-01T00:00:00Z", 0),
        ("2024-06-01T02:00:00.1239+02:00", 1_717_200_000_123),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_a_time_is_iso_8601_or_milliseconds(given: object, moment: int) -> None:
    assert parse_update(line(eventTime=given)).event_time == moment


def test_attributes_keep_their_letters() -> None:
    text = (
        '{"applicationId": 1, "integrationId": "a", "attributes" : {"n": 1.10 , "huge":1e999,'
        ' "digits": ' + "9" * 5_000 + ', "o":{ "a" : [1, 2] , "a":3}, "s": "\\ud800\\u00e9",'
        ' "gone": null, "": false}, "total": 2}'
    )
    update = parse_update(text)
    assert update.attributes == {
        "n": "1.10",
        "huge": "1e999",
        "digits": "9" * 5_000,
        "o": '{ "a" : [1, 2] , "a":3}',
        "s": '"\\ud800\\u00e9"',
        "gone": None,
        "": "false",
    }
    assert update.total == 2.0


def test_a_cart_keeps_its_attributes_too() -> None:
    text = (
        '{"applicationId": 1, "integrationId": "a", "cartItems": [ {"name": "t", "sku": "T",'
        ' "quantity": 2, "price": 0.1} , {"attributes": {"x": null, "y": [ ]}, "name": "",'
        ' "sku": "U", "quantity": 1, "price": 3, "weight": 1} ] , "discounts": {"d": null}}'
    )
    update = parse_update(text)
    assert update.cart_items is not None
    plain, rich = update.cart_items
    assert plain["attributes"] is None
    assert rich["attributes"] == {"x": "null", "y": "[ ]"}
    assert rich["price"] == 3.0
    assert update.discounts == {"d": None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("nope", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"applicationId": 1', "not JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"applicationId": 1, "integrationId": "a", "total": NaN}', "NaN is not JSON"),
        ('{"applicationId": 1, "integrationId": "a", "integrationId": "b"}', "twice"),
        ("{}", "applicationId is missing; integrationId is missing"),
        (line(colour="blue"), "colour is no field of an update"),
        (line(applicationId="1"), "applicationId should be a valid integer"),
        (line(applicationId=0), "applicationId should be greater than or equal to 1"),
        (line(applicationId=2**31), "applicationId should be less than"),
        (line(applicationId=2**200), "applicationId"),
        (line(integrationId=""), "integrationId"),
        (line(eventId=""), "eventId"),
        (line(eventTime="yesterday"), "eventTime is neither ISO 8601"),
        (line(eventTime="2026-01-01T00:00:00"), "eventTime has no zone"),
        (line(eventTime=-1), "eventTime"),
        (line(eventTime=True), "eventTime"),
        (line(state="gone"), "state should be 'open', 'closed' or 'cancelled'"),
        ('{"applicationId": 1, "integrationId": "a", "total": 1e999}', "total"),
        (line(coupon="\ud800"), "coupon"),
        (line(attributes=[1]), "attributes should be a valid dictionary"),
        (line(cartItems=[1, {"sku": "T"}]), "cartItems[0]"),
        (
            line(cartItems=[{"name": "t", "sku": "T", "quantity": 0, "price": 1}]),
            "cartItems[0].quantity should be greater",
        ),
        (
            line(cartItems=[{"name": "t", "sku": "T", "quantity": 9, "price": 1e308}]),
            "the sum of cartItems is not a finite number",
        ),
    ],
)
def test_what_is_wrong_is_told_by_name(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_update(text)


def test_an_attribute_may_nest_64_deep_and_no_deeper() -> None:
    for depth, fits in ((64, True), (65, False)):
        text = f'{{"applicationId": 1, "integrationId": "a", "attributes": {{"d": {"[" * depth}'
        text += "]" * depth + "}}"
        if fits:
            update = parse_update(text)
            assert validate(update) == update
        else:
            with pytest.raises(ValueError, match="64 deep"):
                parse_update(text)
