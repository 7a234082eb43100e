"""What is one RFC 8259 text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_json import is_json

from processor.core.json_text import is_json_text

IMAGE = """{
  "Image": {
    "Width":  800,
    "Title":  "View from 15th Floor",
    "Thumbnail": {"Url": "http://www.example.com/image/481989943", "Height": 125},
    "Animated" : false,
    "IDs": [116, 943, 234, 38793]
  }
}"""

ONE_VALUE = {
    "the RFC's object": IMAGE,
    "the RFC's array": '[{"Latitude": 37.7668, "Zip": "94107"}, {"Longitude": -1.22026e2}]',
    "a string": '"Hello world!"',
    "a number": "42",
    "true": "true",
    "false": "false",
    "null": "null",
    "an empty string": '""',
    "white space around": " \t\r\n[ ] \t\r\n",
    "white space around a scalar": "\t1\n",
    "a number beyond every double": "1e999",
    "a list of it": "[1e999]",
    "minus zero": "-0",
    "every escape": r'"\"\\\/\b\f\n\r\t\u0041"',
    "an escaped lone surrogate": r'"\ud800"',
    "surrogates in the wrong order": r'["\udc00\ud800"]',
    "a repeated key": '{"a":1,"a":2}',
    "a delete character": '"\x7f"',
    "line separators": '["\u2028\u2029"]',
    "brackets inside a string": json.dumps("[" * 1000),
    "brackets and quotes inside a string": json.dumps(['[{"' * 1000]),
    "many shallow brackets": "[" + ",".join(["[]"] * 1000) + "]",
    "64 deep": "[" * 64 + "]" * 64,
    "64 deep, of objects": '{"a":' * 64 + "1" + "}" * 64,
    "5000 digits": "1" * 5000,
    "5000 digits in a list": "[" + "1" * 5000 + "]",
    "5000 digits of fraction": "[0." + "1" * 5000 + "]",
    "a huge string": '"' + "x" * 1_000_000 + '"',
    "a huge escaped string": '"' + r"\n" * 500_000 + '"',
}

NOT_ONE = {
    "nothing": "",
    "white space only": " \n",
    "a byte order mark": "\ufeff1",
    "a byte order mark before a list": "\ufeff[]",
    "NaN": "NaN",
    "NaN within": "[NaN]",
    "Infinity": "[Infinity]",
    "-Infinity": "-Infinity",
    "-Infinity within": "[-Infinity]",
    "text after": "1 2",
    "text after a list": "[] x",
    "two values": "{}{}",
    "a raw new line in a string": '"\n"',
    "a raw control character in a string": '"a\x00b"',
    "a raw control character within": '["\x1f"]',
    "another white space": "\u00a01",
    "a vertical tab": "\v1",
    "a leading zero": "01",
    "a leading plus": "+1",
    "no digit after the point": "1.",
    "no digit before the point": ".5",
    "no digit in the exponent": "1e",
    "another script's digits": "\u0661",
    "another script's digits within": "[\u0661]",
    "another script's fraction": "[1.\u0661]",
    "a hexadecimal number": "0x10",
    "single quotes": "'a'",
    "no quotes": "{a:1}",
    "an unknown escape": r'"\x41"',
    "a short escape": r'"\u12"',
    "an escape of other digits": '"\\u\u0661\u0661\u0661\u0661"',
    "a signed escape": r'"\u+123"',
    "an unclosed string": '"abc',
    "a trailing comma": "[1,]",
    "a trailing comma in an object": '{"a":1,}',
    "a comment": "[1] // one",
    "an unclosed list": "[",
    "another case": "True",
    "a key that is no string": "{1:2}",
    "65 deep": "[" * 65 + "]" * 65,
    "65 deep, of both": '[{"a":' * 32 + "[]" + "}]" * 32,
    "65 deep after a string": '["\\"", ' + "[" * 64 + "]" * 64 + "]",
    "100,000 brackets": "[" * 100_000,
    "100,000 braces": '{"a":' * 100_000,
    "100,000 quotes and brackets": '"[' * 100_000,
    "1,000,000 backslashes": "\\" * 1_000_000,
    "an unclosed string of backslashes": '["' + "\\" * 1_000_000,
}


@pytest.mark.parametrize("text", ONE_VALUE.values(), ids=ONE_VALUE)
def test_is_one_value(text: str) -> None:
    assert is_json_text(text)


@pytest.mark.parametrize("text", NOT_ONE.values(), ids=NOT_ONE)
def test_is_not_one_value(text: str) -> None:
    assert not is_json_text(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(json_values, st.booleans())
def test_what_a_writer_of_json_writes_is_one_value(value: object, ascii_only: bool) -> None:  # noqa: FBT001
    assert is_json_text(json.dumps(value, ensure_ascii=ascii_only))


@given(st.text('[]{}",:\\ \n\t01.eE+-truefalsnuNI\ufeff\x1f', max_size=12))
def test_the_verdict_is_that_of_a_recursive_descent(text: str) -> None:
    assert is_json_text(text) is is_json(text)


@given(json_values, st.data())
def test_the_verdict_on_a_damaged_text_is_that_of_a_recursive_descent(
    value: object, data: st.DataObject
) -> None:
    text = json.dumps(value)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    damaged = text[:start] + data.draw(st.text('[]{}",:\\ 0e-', max_size=3)) + text[end:]
    assert is_json_text(damaged) is is_json(damaged)
