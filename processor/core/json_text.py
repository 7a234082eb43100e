"""Whether a text is one JSON value: RFC 8259, by its grammar alone, nested at most 64 deep."""

import json
import re
from typing import Final, NoReturn

MAX_DEPTH: Final = 64

_SCALAR = re.compile(
    r'[ \t\n\r]*(?:"[^"\\\x00-\x1f]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?'
    r"|true|false|null)[ \t\n\r]*"
)
_BRACKETS_OUTSIDE_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _keep_digits(digits: str) -> str:
    """Leave a number as text: its grammar is checked, its size is nobody's business."""
    return digits


_GRAMMAR = json.JSONDecoder(
    parse_constant=_refuse, parse_int=_keep_digits, parse_float=_keep_digits
)


def depth(text: str) -> int:
    """Return how deep brackets nest outside strings; a scalar has depth 0, `[]` depth 1."""
    deepest = here = 0
    for token in _BRACKETS_OUTSIDE_STRINGS.finditer(text):
        if token[1]:
            here += 1
            deepest = max(deepest, here)
        elif token[2]:
            here -= 1
    return deepest


def is_json_text(text: str) -> bool:
    """Whether the text is one RFC 8259 value, nested at most `MAX_DEPTH` deep.

    `1e999`, an escaped lone surrogate and repeated keys pass; NaN and a byte order mark do not.
    """
    if _SCALAR.fullmatch(text):
        return True
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(text) > MAX_DEPTH:
        return False
    try:
        _GRAMMAR.decode(text)
    except ValueError:
        return False
    return True
