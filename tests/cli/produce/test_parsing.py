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
    assert not first.changed
    assert first.state is None


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        (0, 0),
        (1_717_200_000_123, 1_717_200_000_123),
        ("1970-01-01T00:00:00Z", 0),
        ("2024-06-01T02:00:00.1239+02:00", 1_717_200_000_123),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("2024-06-01t00:00:00z", 1_717_200_000_000),
        ("2024-06-01 00:00Z", 1_717_200_000_000),
        ("20240601T020000+0200", 1_717_200_000_000),
        ("2024-05-31T24:00:00Z", 1_717_200_000_000),
        ("2024-05-31T24:00+00:00", 1_717_200_000_000),
        ("2024-05-31t24:00:00.000z", 1_717_200_000_000),
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
        ("[]", "the line is not an object"),
        ('{"applicationId": 1', "not JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"applicationId": 1, "integrationId": "a", "total": NaN}', "NaN is not JSON"),
        (
            '{"applicationId": 1, "integrationId": "a", "integrationId": "b"}',
            '"integrationId" twice',
        ),
        ("{}", "applicationId is missing; integrationId is missing"),
        (line(colour="blue"), "colour is no field of an update"),
        (line(applicationId="1"), "applicationId is not a whole number"),
        (line(applicationId=0), "applicationId is 0, not from 1 to 2147483647"),
        (line(applicationId=2**31), "applicationId is 2147483648, not from 1 to"),
        (line(applicationId=2**200), "applicationId"),
        (line(integrationId=""), "integrationId is empty"),
        (line(eventId=""), "eventId is empty"),
        (line(eventTime="yesterday"), "eventTime is neither ISO 8601"),
        (line(eventTime="2026-01-01T00:00:00"), "eventTime has no zone"),
        (line(eventTime=-1), "eventTime"),
        (line(eventTime=True), "eventTime"),
        (line(state="gone"), "state is not open, closed or cancelled"),
        ('{"applicationId": 1, "integrationId": "a", "total": 1e999}', "total"),
        (line(coupon="\ud800"), "coupon"),
        (line(attributes=[1]), "attributes is not an object"),
        (line(cartItems=[1, {"sku": "T"}]), "cartItems[0]"),
        (
            line(cartItems=[{"name": "t", "sku": "T", "quantity": 0, "price": 1}]),
            "cartItems[0].quantity is 0, not from 1 to",
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


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("1772366400", "is 1772366400, in milliseconds 1970-01-21T12:19:26.400Z; if these are"),
        ("1772366400", "seconds, write 1772366400000"),
        ("1772366400.123", "if these are seconds, write 1772366400123"),
        ("100000000", "if these are seconds, write 100000000000"),
        ("1772366400000000", "if these are microseconds, write 1772366400000"),
        ("1772366400123456789", "if these are nanoseconds, write 1772366400123"),
        ("253402300800000", "in milliseconds after the year 9999"),
        ("1772366400000.5", "eventTime is not a whole number"),
        ('"1772366400000"', "eventTime is a number in quotes"),
        ('"2026-03-01T23:59:60Z"', "eventTime has a leap second"),
        ('"20260301T235960Z"', "eventTime has a leap second"),
        ('"2026-03-01T24:01:00Z"', "eventTime is no time that there is: hour"),
        ('"2026-02-30T12:00:00Z"', "eventTime is no time that there is: day"),
        ('"2026-03-01x12:00:00Z"', "eventTime is neither ISO 8601"),
        ('"01.03.2026 12:00"', "eventTime is neither ISO 8601"),
        ('"\u0662026-03-01T12:00Z"', "eventTime is neither ISO 8601"),
    ],
)
def test_a_time_in_another_unit_or_of_no_calendar_is_told_as_such(time: str, told: str) -> None:
    text = f'{{"applicationId": 1, "integrationId": "a", "eventTime": {time}}}'
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_update(text)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('"couponCodes": ["TEN"]', "couponCodes is no field of an update (did you mean coupon?)"),
        ('"referralCode": "x"', "(did you mean referral?)"),
        ('"closed": true', "(did you mean state?)"),
        ('"profile_id": "x"', "(did you mean profileId?)"),
        ('"INTEGRATIONID": "x"', "(did you mean integrationId?)"),
        ('"cartItem": []', "(did you mean cartItems?)"),
        ('"timestamp": 1', "(did you mean eventTime?)"),
        (
            '"cartItems": [{"sku": "T", "qty": 1}]',
            "cartItems[0].qty is no field of a cart item (did",
        ),
        ('"cartItems": [{"sku": "T", "qty": 1}]', "(did you mean quantity?)"),
        ('"discounts": {"x": 1, "x": 2}', 'discounts has "x" twice'),
        ('"discounts": {"x": 1, "\\u0078": null}', 'discounts has "x" twice'),
        ('"cartItems": [{"sku": "T", "sku": "U"}]', 'cartItems[0] has "sku" twice'),
        ('"cartItems": [{"attributes": {"a": 1, "a": 1}}]', '.attributes has "a" twice'),
        ('"attributes": {"": 1, "": 2}', 'attributes has "" twice'),
        ('"total": 1, "total": 1', 'the line has "total" twice'),
        ('"discounts": {"x": "1"}', "discounts.x is not a number"),
        (
            '"discounts": {"\\ud800": 1}',
            'discounts has a surrogate without its other half in the name "\\ud800"',
        ),
        ('"identifiers": "x"', "identifiers is not a list"),
        ('"coupon": 5', "coupon is not a text"),
        (
            '"cartItems": [{"name": "", "sku": "", "quantity": 1.5, "price": null}]',
            "cartItems[0].quantity is not a whole number",
        ),
        ('"cartItems": {}', "cartItems is not a list"),
    ],
)
def test_a_field_is_told_in_words_with_the_one_that_is_meant(given: str, told: str) -> None:
    text = f'{{"applicationId": 1, "integrationId": "a", {given}}}'
    with pytest.raises(ValueError, match=re.escape(told)) as raised:
        parse_update(text)
    assert "validation" not in str(raised.value)


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
