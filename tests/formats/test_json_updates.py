"""Updates in JSON: what Avro says comes back, and nothing hostile crashes or grows."""

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from avro_bytes import COMMANDS, FAST, SCHEMAS
from hypothesis import given
from hypothesis import strategies as st
from mixed_formats import Unsayable, as_json
from oracle import Entry, Formats, Rejection, bits, read_update
from oracle_formats import Undecodable
from oracle_formats import moment as oracles_moment
from packing import packed_alike
from values import updates

from processor.avro.codec import UpdateCodec
from processor.avro.framing import DecodeError
from processor.core.moment import milliseconds
from processor.core.outcome import Rejected
from processor.core.update import UPDATE_FIELDS
from processor.core.validate import MAX_EVENT_TIME
from processor.formats.json_update import complete, fields_of
from processor.formats.updates import Updates
from processor.ports.log import Headers, Record
from processor.stages.decode import Decode

CODEC = UpdateCodec(SCHEMAS.updates)
ALL = Updates(CODEC)
FORMATS = Formats(("avro", "json", "cloudevents"))
LEAST = '"eventId":"e","eventTime":1,"applicationId":1,"integrationId":"a"'
STRUCTURED = [("content-type", b"application/cloudevents+json")]
MODES: list[Headers] = [(), STRUCTURED, [("ce_specversion", b"1.0"), ("ce_id", b"e")]]


@given(updates())
def test_an_update_that_json_can_say_comes_back(update: Any) -> None:
    document = dict(zip(UPDATE_FIELDS, update, strict=False))
    try:
        text = as_json(document)
    except Unsayable:
        return
    read = complete(fields_of(text.encode()), update.offset)
    assert bits([*read]) == bits([*update])
    assert CODEC.read(CODEC.write(read), update.offset) == update


def both(value: bytes, headers: Headers = ()) -> Any:
    """Return what is read of a value, None where there is no update; the oracle says the same.

    So does the compiled codec, where it says anything.
    """
    packed_alike(Record(0, 0, 0, b"1:a", value, headers))
    try:
        read = ALL.read(value, headers, 0)
        said = dict(zip(UPDATE_FIELDS, read.update, strict=False)), read.contradiction is not None
    except DecodeError:
        said = None
    try:
        wanted = read_update(Entry(0, 0, b"", value, headers), FORMATS)
    except Rejection:
        wanted = None
    assert bits(said) == bits(wanted), value[:500]
    return said


names = st.sampled_from(
    [
        *('"eventId"', '"eventTime"', '"applicationId"', '"integrationId"', '"coupon"', '"total"'),
        *('"cartItems"', '"attributes"', '"discounts"', '"sku"', '"x"', '"\\u0078"', '"\\ud800"'),
        *('"id"', '"time"', '"data"', '"specversion"', '"state"', '""'),
    ]
)
scalars = st.sampled_from(
    [
        *("null", "true", "1", "0", "-0", "1.0", "1e400", "NaN", "Infinity", "9" * 5_000, '"open"'),
        *('"1.0"', '"\\ud800"', '"\\ud83d\\ude00"', '"2026-01-01T00:00:00Z"', '"e"', "01", '"\t"'),
        *("0." + "3" * 5_000, "1e" + "9" * 5_000, '"' + "x" * 5_000 + '"', "\ufeff", ""),
    ]
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(st.tuples(names, inner), max_size=4).map(
            lambda parts: "{" + ", ".join(f"{n}: {v}" for n, v in parts) + "}"
        )
    ),
    max_leaves=12,
)
texts = st.lists(st.tuples(names, values), max_size=6).map(
    lambda parts: "{" + ",".join([LEAST, *(f"{n}:{v}" for n, v in parts)]) + "}"
)


@given(texts | values, st.sampled_from(MODES))
def test_hostile_json_is_read_as_the_oracle_reads_it(text: str, headers: Headers) -> None:
    both(text.encode(), headers)


@given(texts, st.integers(0, 400), st.binary(max_size=3), st.sampled_from(MODES))
def test_damaged_json_is_read_as_the_oracle_reads_it(
    text: str, at: int, put: bytes, headers: Headers
) -> None:
    value = text.encode()
    both(value[:at] + put + value[at + 1 :], headers)


@given(
    st.binary(max_size=40),
    st.lists(
        st.tuples(
            st.sampled_from(
                ["content-type", "ce_specversion", "ce_id", "ce_time", "__value_schema_id"]
            ),
            st.none()
            | st.binary(max_size=12)
            | st.sampled_from([b"application/json", b"application/cloudevents+json", b"1.0"]),
        ),
        max_size=4,
    ),
)
def test_any_bytes_under_any_headers_are_read_or_refused(
    value: bytes, headers: list[tuple[str, bytes | None]]
) -> None:
    both(value, headers)


@given(
    st.from_regex(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.,][0-9]{1,5})?)?"
        r"([Zz]|[-+][0-2][0-9](:?[0-6][0-9])?)?",
        fullmatch=True,
    )
    | st.text(max_size=12)
)
def test_a_time_is_what_the_calendar_says(text: str) -> None:
    found = wanted = None
    with suppress(ValueError):
        found = milliseconds(text)
    with suppress(Undecodable):
        wanted = oracles_moment(text)
    assert found == wanted
    value = f'{{{LEAST},"coupon":""}}'.replace(":1,", f":{json.dumps(text)},", 1).encode()
    packed = packed_alike(Record(0, 0, 0, b"1:a", value, ()))
    assert FAST is None or (packed is not None) == (
        found is not None and 0 <= found <= MAX_EVENT_TIME
    )


HUGE = 400_000


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"[" * HUGE, id="depth"),
        pytest.param(b'{"a":' * (HUGE // 5), id="depth of objects"),
        pytest.param(b'{"attributes":{"a":' + b"[" * HUGE, id="depth of an attribute"),
        pytest.param(f'{{{LEAST},"total":{"9" * HUGE}}}'.encode(), id="a long number"),
        pytest.param(f'{{{LEAST},"total":0.{"1" * HUGE}}}'.encode(), id="a long fraction"),
        pytest.param(f'{{{LEAST},"total":1e{"9" * HUGE}}}'.encode(), id="a long exponent"),
        pytest.param(f'{{"applicationId":{"1" * HUGE}}}'.encode(), id="a long integer"),
        pytest.param(b'{"' + b"x" * HUGE + b'":1}', id="a long name"),
        pytest.param(b'{"coupon":"' + b"\\ud800" * (HUGE // 6) + b'"}', id="halves"),
        pytest.param(b'{"coupon":"' + b"\\" * HUGE, id="backslashes"),
        pytest.param(b"{" + b'"a":1,' * (HUGE // 6) + b'"a":1}', id="one name"),
        pytest.param(b'{"cartItems":[' + b"1," * (HUGE // 2) + b"1]}", id="items that are none"),
        pytest.param(b'{"identifiers":[' + b"1," * (HUGE // 2) + b"1]}", id="ids that are none"),
        pytest.param(b" " * HUGE, id="space"),
        pytest.param(b'{"discounts":{' + b'"":1,' * (HUGE // 5) + b'"":1}}', id="one discount"),
        pytest.param(b"\xff" * HUGE, id="no UTF-8"),
    ],
)
@pytest.mark.parametrize("headers", MODES[:2], ids=["plain", "structured"])
def test_what_is_huge_costs_no_more_than_in_proportion(value: bytes, headers: Headers) -> None:
    decode = Decode(ALL, COMMANDS)
    tracemalloc.start()
    read = decode.read(Record(0, 0, 0, b"1:a", value, (*headers, ("content-type", None))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * HUGE
    if isinstance(read, Rejected):
        assert len(read.message) < 3 * HUGE
    else:
        assert b"0.111" in value
