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


GRAMMAR: Final = json.JSONDecoder(parse_constant=_refuse, parse_int=str, parse_float=str)
"""Leaves numbers as texts: their grammar is checked, their size is nobody's business.

Raises ValueError for NaN and the infinities too.
"""


def is_deeper(text: str, limit: int) -> bool:
    """Whether brackets nest deeper outside strings; a scalar has depth 0, `[]` depth 1."""
    if text.count("[") + text.count("{") <= limit:
        return False
    here = 0
    for token in _BRACKETS_OUTSIDE_STRINGS.finditer(text):
        if token[1]:
            here += 1
            if here > limit:
                return True
        elif token[2]:
            here -= 1
    return False


def is_json_text(text: str) -> bool:
    """Whether the text is one RFC 8259 value, nested at most `MAX_DEPTH` deep.

    `1e999`, an escaped lone surrogate and repeated keys pass; NaN and a byte order mark do not.
    """
    if _SCALAR.fullmatch(text):
        return True
    if is_deeper(text, MAX_DEPTH):
        return False
    try:
        GRAMMAR.decode(text)
    except ValueError:
        return False
    return True
