"""The compiled codec on JSON and CloudEvents: what Python makes of them, or no answer at all."""

import json
import random
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import pytest
from avro_bytes import FAST, FULL, HEADER, KEY, mutated, needs_compiled
from golden_formats import LEAST, item
from hypothesis import given
from hypothesis import strategies as st
from packing import packed_alike
from spelling import Speller
from values import NOON, a_session, updates

from processor.avro.compiled import Compiled
from processor.core.session import Session
from processor.core.update import UPDATE_FIELDS, SessionUpdate
from processor.ports.log import Headers, Record

pytestmark = needs_compiled
STRUCTURED = ("content-type", b"application/cloudevents+json")
VERSION = ("ce_specversion", b"1.0")
BEFORE = a_session(attributes={"page": '"/"', "kept": "1"}, discounts={"gone": 1.0})
MODES = ("plain", "binary", "structured")


def record(value: bytes, headers: Headers = (), key: bytes = KEY) -> Record:
    return Record(0, 40, NOON, key, value, headers)


def iso(at: int, chance: Random) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    digits = f"{moment.microsecond // 1000:03}" + "9" * chance.randrange(8)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{digits}" + chance.choice(["Z", "z", "+00"])


def said(update: SessionUpdate, mode: str, chance: Random) -> Record:
    """Return a record that says an update so."""
    document: dict[str, Any] = dict(zip(UPDATE_FIELDS, update, strict=False))
    if chance.random() < 0.3:
        document["eventTime"] = iso(update.event_time, chance)
    time = chance.choice([None, iso(update.event_time, chance)])
    whole = time is None or chance.random() < 0.5
    speller = Speller(chance)
    if mode == "structured":
        data = speller.update(document, whole=whole)
        return record(speller.event(document, data, time).encode(), [STRUCTURED])
    headers: list[tuple[str, bytes | None]] = [("content-type", b"Application/JSON;charset=utf-8")]
    if mode == "binary":
        headers += [VERSION, ("ce_id", update.event_id.encode()), ("ce_source", b"/shop")]
        headers += [] if time is None else [("ce_time", time.encode())]
    text = speller.update(document, whole=whole or mode == "plain")
    return record(chance.choice(["", "\n "]).encode() + text.encode() + b" ", headers)


@pytest.mark.parametrize("mode", MODES)
@given(
    update=updates(),
    chance=st.randoms(use_true_random=False),
    before=st.sampled_from([None, BEFORE]),
)
def test_every_valid_update_is_read_and_folded_alike(
    update: SessionUpdate, mode: str, chance: Random, before: Session | None
) -> None:
    one = said(update, mode, chance)
    assert packed_alike(one, before, "7:other") is not None, one


@pytest.mark.parametrize("mode", MODES)
def test_damaged_updates_have_one_verdict(mode: str) -> None:
    chance, taken = random.Random(mode), 0
    marks = [*b'{}[]":,\\0e-.u ', 0, 0x7F, 0xC3, 0xED, 0xFF]
    for _ in range(600):
        whole = said(FULL, mode, chance)
        value = bytearray(whole.value or b"")
        if chance.random() < 0.3:
            value = bytearray(mutated(bytes(value), chance))
        else:
            at = chance.randrange(len(value))
            put = bytes(chance.choices(marks, k=chance.randrange(3)))
            value[at : at + chance.randrange(3)] = put
        taken += packed_alike(whole._replace(value=bytes(value)), BEFORE) is not None
    assert taken > 5, "the compiled codec took hardly any of them"


numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


@given(numbers, numbers)
def test_a_number_is_the_nearest_double_and_no_fraction_is_whole(one: str, other: str) -> None:
    text = f'{{{LEAST},"total":{one},"discounts":{{"a":{other}}}}}'
    assert (packed_alike(record(text.encode(), key=b"1:cart-17")) is not None) == (
        all(abs(float(each)) != float("inf") for each in (one, other))
    )
    packed_alike(record(text.replace("1767268801000", one).encode(), key=b"1:cart-17"))


@pytest.mark.parametrize(
    "total",
    [
        *("9007199254740993", "0.1", "1e-400", "5e-324", "2.4703282292062327e-324", "-0", "-0.0"),
        *("1.7976931348623158e308", "0." + "3" * 5_000, "1" + "0" * 308, "1e+22", "1E22"),
        "9007199254740992.99999999999999999999999999999999999999999999999999999999999999",
    ],
)
def test_a_number_of_many_digits_is_the_nearest_double(total: str) -> None:
    text = f'{{{LEAST},"total":{total}}}'
    assert packed_alike(record(text.encode(), key=b"1:cart-17")) is not None


ZEROS = 655_400
LONG = {
    "one of a long fraction": "0." + "0" * ZEROS + f"1e{ZEROS + 1}",
    "one of a long whole number": "1" + "0" * ZEROS + f"e-{ZEROS}",
    "nothing of a long fraction": "0." + "0" * 20_000 + "1",
    "an exponent of many zeros": "1e" + "0" * 20_000 + "1",
    "an exponent of many digits": "1e-" + "9" * 20_000,
}


@pytest.mark.parametrize("number", LONG.values(), ids=LONG)
@pytest.mark.parametrize("where", ['"total":"?"', '"discounts":{"a":"?"}', item(weight="?")])
def test_a_number_of_very_many_digits_is_left_to_python(where: str, number: str) -> None:
    text = least(where.replace('"?"', number))
    assert packed_alike(record(text, key=b"1:cart-17")) is None


@pytest.mark.parametrize("number", ["0.1e65536", "1e-655401", "0." + "0" * 9_000 + "1e9001"])
def test_a_large_exponent_is_the_nearest_double(number: str) -> None:
    packed_alike(record(least(f'"total":{number}'), key=b"1:cart-17"))


def least(more: str = "") -> bytes:
    return f"{{{LEAST}{more and ','}{more}}}".encode()


JSON: tuple[str, bytes | None] = ("content-type", b"application/json")
LEFT: dict[str, tuple[bytes, Headers]] = {
    "a name twice": (least('"coupon":"a","coupon":"a"'), ()),
    "a name twice, escaped": (least('"coupon":"a","c\\u006fupon":null'), ()),
    "a map's name twice": (least('"discounts":{"a":1,"a":1}'), ()),
    "an item's attribute twice": (least(item(attributes=0).replace("0}", '{"a":1,"a":1}}')), ()),
    "an unknown name, null": (least('"colour":null'), ()),
    "an item that is a list": (least('"cartItems":[["Mug","mug",1,9.5]]'), ()),
    "an update that is a list": (b'["e-1",1767268801000,1,"cart-17"]', [JSON]),
    "a state as an object": (least('"state":{"open":null}'), ()),
    "half of a pair": (least('"coupon":"\\ud83d"'), ()),
    "half of a pair, then a whole one": (least('"coupon":"\\ud83d\\ud83d\\ude00"'), ()),
    "the other half": (least('"coupon":"\\ude00"'), ()),
    "half of a pair in a name": (least('"discounts":{"\\ud83d":1}'), ()),
    "an escape that is none": (least('"coupon":"\\u+123"'), ()),
    "a byte order mark": (b"\xef\xbb\xbf" + least(), [JSON]),
    "an overlong form": (least('"coupon":"?"').replace(b"?", b"\xc0\x80"), ()),
    "a surrogate in UTF-8": (least('"coupon":"?"').replace(b"?", b"\xed\xa0\x80"), ()),
    "a form feed": (b"\x0c" + least(), [JSON]),
    "NUL behind it": (least() + b"\0", ()),
    "two": (least() * 2, ()),
    "a comma behind the last": (least()[:-1] + b",}", ()),
    "65 deep": (least('"attributes":{"a":' + "[" * 65 + "]" * 65 + "}"), ()),
    "a leading zero": (least('"total":01'), ()),
    "a plus": (least('"total":+1'), ()),
    "no digit behind the point": (least('"total":1.'), ()),
    "too large": (least('"total":1e309'), ()),
    "an item of null": (least('"cartItems":[null]'), ()),
    "space before it, of no type": (b" " + least(), ()),
    "Avro by its type": (least(), [("content-type", b"avro/json")]),
    "Avro by its type, in JSON": (least(), [("content-type", b"application/avro+json")]),
    "another event": (least(), [("content-type", b"application/cloudevents+avro")]),
    "a batch": (b"[]", [("content-type", b"application/cloudevents-batch+json")]),
    "a registry's, in a header": (least(), [("__value_schema_id", b"\0\0\0\0\1")]),
    "a registry's": (b"\0\0\0\0\1" + least(), [JSON]),
    "another version": (least(), [("ce_specversion", b"0.3")]),
    "another id": (least(), [VERSION, ("ce_id", b"e-2")]),
    "another time": (least(), [VERSION, ("ce_time", b"2026-03-01T12:00:00Z")]),
    "a time of none": (least(), [VERSION, ("ce_time", b"yesterday")]),
    "an id that is no text": (least(), [VERSION, ("ce_id", b"\xff")]),
    "no version": (b'{"id":"e-1","data":' + least() + b"}", [STRUCTURED]),
    "no data": (b'{"specversion":"1.0"}', [STRUCTURED]),
    "data and bytes": (
        b'{"specversion":"1.0","data":' + least() + b',"data_base64":""}',
        [STRUCTURED],
    ),
    "data twice": (
        b'{"specversion":"1.0","data":' + least() + b',"data":' + least() + b"}",
        [STRUCTURED],
    ),
    "an extension twice": (
        b'{"specversion":"1.0","a":1,"\\u0061":1,"data":' + least() + b"}",
        [STRUCTURED],
    ),
    "data of another type": (
        b'{"specversion":"1.0","datacontenttype":"text/plain","data":' + least() + b"}",
        [STRUCTURED],
    ),
}


@pytest.mark.parametrize(("value", "headers"), LEFT.values(), ids=LEFT)
def test_what_is_not_plainly_sound_is_left_to_python(value: bytes, headers: Headers) -> None:
    assert packed_alike(record(value, headers, b"1:cart-17")) is None


@pytest.mark.parametrize(
    ("formats", "taken"),
    [
        (["avro"], [False, False, False]),
        (["avro", "json"], [True, True, False]),
        (["avro", "cloudevents"], [False, True, True]),
        (["avro", "json", "cloudevents"], [True, True, True]),
    ],
)
def test_a_format_that_is_not_on_is_left_to_python(formats: list[str], taken: list[bool]) -> None:
    structured = b'{"specversion":"1.0","data":' + least() + b"}"
    records = [
        record(least(), (), b"1:cart-17"),
        record(least(), [VERSION], b"1:cart-17"),
        record(structured, [STRUCTURED], b"1:cart-17"),
    ]
    read = cast("Compiled", FAST).read(records, HEADER, formats)
    assert [each is not None for each in read] == taken


def test_many_names_take_less_than_quadratic_time() -> None:
    """Else these would take minutes, and the suite's limit of time with them."""
    many = json.dumps({f"a{number}": number for number in range(40_000)})
    envelope = '{"specversion":"1.0","data":' + least(f'"discounts":{many}').decode() + ","
    value = (envelope + many[1:]).encode()
    assert packed_alike(record(value, [STRUCTURED], b"1:cart-17")) is not None
