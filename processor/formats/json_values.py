"""Values of JSON, each read by the type that it should have, from where it stands in a text.

What is said is kept to the letter: a repeated name, the text of a value, how a number is written.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from processor.core.shown import shown_json
from processor.formats.json_grammar import (
    Fault,
    Mismatch,
    Reader,
    after_space,
    any_value,
    is_whole,
    mismatch,
    not_json,
)

_TOLD: Final = 20
"""How many mismatches of a text are told."""
_LONGEST_LONG: Final = 20
_LONG: Final = range(-(2**63), 2**63)

_NAME = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_NEXT = re.compile(r"[ \t\n\r]*([,}\]])[ \t\n\r]*")
_STRING = re.compile(r'"([^"\\\x00-\x1f]*)"')
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")


def passed(text: str, at: int) -> tuple[None, int]:
    """Pass any value."""
    return None, any_value(text, at)[1]


def kept(text: str, at: int) -> tuple[str, int]:
    """Read any value as the text that it is."""
    end = any_value(text, at)[1]
    return text[at:end], end


def kept_or_null(text: str, at: int) -> tuple[str | None, int]:
    """Read any value as the text that it is, and `null` as None."""
    value, end = kept(text, at)
    return (None if value == "null" else value), end


def string(text: str, at: int) -> tuple[str, int]:
    """Read a string."""
    plain = _STRING.match(text, at)
    if plain is not None:
        return plain[1], plain.end()
    if text[at : at + 1] != '"':
        raise mismatch(text, at, "is not a text")
    value, end = any_value(text, at)
    if not is_whole(value):
        raise Mismatch([Fault("", "has a surrogate without its other half")], end)
    return value, end


def double(text: str, at: int) -> tuple[float, int]:
    """Read a number as the double that is nearest; one that is too large is infinite."""
    number = _NUMBER.match(text, at)
    if number is None:
        raise mismatch(text, at, "is not a number")
    return float(number[0]), number.end()


def integer(text: str, at: int) -> tuple[int, int]:
    """Read a whole number of 64 bits."""
    number = _NUMBER.match(text, at)
    if number is None or number[2]:
        raise mismatch(text, at, "is not a whole number")
    if len(number[1]) > _LONGEST_LONG or int(number[1]) not in _LONG:
        raise Mismatch([Fault("", "is not a number of 64 bits")], number.end())
    return int(number[1]), number.end()


def one_of(*symbols: str) -> Reader:
    """Read a string that is one of these."""
    told = f"{', '.join(symbols[:-1])} or {symbols[-1]}"

    def reads(text: str, at: int) -> tuple[str, int]:
        value, end = string(text, at)
        if value not in symbols:
            raise Mismatch([Fault("", f"is not {told}: {shown_json(text, at, end)}")], end)
        return value, end

    return reads


def or_null(reader: Reader) -> Reader:
    """Read a value or `null`, which is None."""

    def reads(text: str, at: int) -> tuple[Any, int]:
        return (None, at + 4) if text.startswith("null", at) else reader(text, at)

    return reads


def array(reader: Reader) -> Reader:
    """Read an array of such values."""

    def reads(text: str, at: int) -> tuple[list[Any], int]:
        if text[at : at + 1] != "[":
            raise mismatch(text, at, "is not a list")
        found: list[Any] = []
        faults: list[Fault] = []
        at = after_space(text, at + 1)
        more = text[at : at + 1] != "]"
        end = at + 1
        while more:
            try:
                value, at = reader(text, at)
            except Mismatch as wrong:
                faults += wrong.within(f"[{len(found)}]")
                value, at = None, _behind_fault(wrong, faults)
            found.append(value)
            at, end, more = _behind(text, at, "]")
        if faults:
            raise Mismatch(faults, end)
        return found, end

    return reads


def object_of(reader: Reader) -> Reader:
    """Read an object of such values under any names."""
    return _object(lambda _: reader)


def object_with(
    fields: Mapping[str, Reader], what: str, required: tuple[str, ...] = (), *, open_: bool = False
) -> Reader:
    """Read an object of these fields, of which `null` is None, and no others unless it is `open_`.

    Returns those that are not absent; one of the `required` may not be.
    """
    readers = {name: or_null(reader) for name, reader in fields.items()}

    def unknown(text: str, at: int) -> tuple[None, int]:
        raise mismatch(text, at, f"is no field of {what}", no_field=True)

    others = passed if open_ else unknown
    members = _object(lambda name: readers.get(name, others))

    def reads(text: str, at: int) -> tuple[dict[str, Any], int]:
        found, end = members(text, at)
        present = {name: value for name, value in found.items() if value is not None}
        absent = [Fault(name, "is missing") for name in required if name not in present]
        if absent:
            raise Mismatch(absent, end)
        return present, end

    return reads


def _object(reader_of: Callable[[str], Reader]) -> Reader:
    def reads(text: str, at: int) -> tuple[dict[str, Any], int]:
        if text[at : at + 1] != "{":
            raise mismatch(text, at, "is not an object")
        found: dict[str, Any] = {}
        faults: list[Fault] = []
        at = after_space(text, at + 1)
        more = text[at : at + 1] != "}"
        end = at + 1
        while more:
            name, at, plain = _name(text, at)
            try:
                value, at = reader_of(name)(text, at)
            except Mismatch as inner:
                faults += inner.within(name)
                value, at = None, _behind_fault(inner, faults)
            if name in found or not (plain or is_whole(name)):
                half = "a surrogate without its other half in the name "
                what = f"has {'' if name in found else half}{json.dumps(name)}"
                twice = " twice" if name in found else ""
                wrong = Mismatch([Fault("", what + twice)], at)
                faults += wrong.faults
                at = _behind_fault(wrong, faults)
            found[name] = value
            at, end, more = _behind(text, at, "}")
        if faults:
            raise Mismatch(faults, end)
        return found, end

    return reads


def _behind_fault(wrong: Mismatch, faults: list[Fault]) -> int:
    """Return where to read on behind a value. Raises Mismatch where enough is wrong by now."""
    if wrong.end is None or len(faults) >= _TOLD:
        raise Mismatch(faults[:_TOLD], None) from None
    return wrong.end


def _name(text: str, at: int) -> tuple[str, int, bool]:
    """Return a member's name, where its value begins, and whether the name has no escape."""
    plain = _NAME.match(text, at)
    if plain is not None:
        return plain[1], plain.end(), True
    if text[at : at + 1] != '"':
        raise not_json("a name in quotes is expected", at)
    name, end = any_value(text, at)
    colon = _COLON.match(text, end)
    if colon is None:
        raise not_json("a colon is expected", end)
    return name, colon.end(), False


def _behind(text: str, at: int, close: str) -> tuple[int, int, bool]:
    """Return where the next part begins, where this one ends, and whether there is a next."""
    found = _NEXT.match(text, at)
    if found is None or found[1] not in (",", close):
        raise not_json(f"a comma or {close} is expected", at)
    return found.end(), found.end(1), found[1] == ","
