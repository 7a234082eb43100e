"""The grammar of JSON, and what is wrong with a text by it or by the types that it should have."""

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from processor.core.json_text import GRAMMAR, is_deeper
from processor.core.shown import shown_json

DEEPEST: Final = 128
"""How deep a text may nest, where `{}` has depth 1."""
_BOM: Final = "\ufeff"

_SPACE = re.compile(r"[ \t\n\r]*")


class NotJson(ValueError):  # noqa: N818  what was found
    """The text is no JSON, or nested too deep; the message is for people."""


class Fault(NamedTuple):
    """What is wrong with a value: its place, as `cartItems[0].sku`, and what follows on that."""

    place: str
    what: str
    no_field: bool = False
    """Whether there is no field of its name."""


class Mismatch(Exception):  # noqa: N818  what was found
    """A value of JSON, up to `end`, is not what it should be.

    The end is None where so much is wrong that the rest was not looked at.
    """

    def __init__(self, faults: list[Fault], end: int | None) -> None:
        super().__init__(faults)
        self.faults = faults
        self.end = end

    def within(self, name: str) -> list[Fault]:
        """Return the faults as those of what has this value under a name, or at `[0]`."""
        return [
            each._replace(
                place=f"{name}{each.place}"
                if each.place[:1] in ("", "[")
                else f"{name}.{each.place}"
            )
            for each in self.faults
        ]


Reader = Callable[[str, int], tuple[Any, int]]
"""Reads the value that begins at a place; returns it and the place behind it.

Raises Mismatch, and NotJson where there is no value.
"""


def read(value: bytes, reader: Reader) -> Any:
    """Return the one value that the bytes hold. Raises NotJson and Mismatch."""
    return read_text(_decoded(value), reader)


def read_text(text: str, reader: Reader) -> Any:
    """Return the one value that the text holds. Raises NotJson and Mismatch."""
    if is_deeper(text, DEEPEST):
        raise NotJson(f"it is nested too deep: more than {DEEPEST} deep")
    found, end = reader(text, after_space(text, 0))
    end = after_space(text, end)
    if end != len(text):
        raise not_json("there is more behind its end", end)
    return found


def _decoded(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"it is not UTF-8 (byte {error.start + 1})") from None
    if text.startswith(_BOM):
        raise NotJson("it begins with a byte order mark; JSON has none")
    return text


def after_space(text: str, at: int) -> int:
    """Return the place behind the white space that begins at a place."""
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too


def not_json(what: str, at: int) -> NotJson:
    """Return what is raised for a text that is none at a place."""
    return NotJson(f"it is not JSON: {what} (character {at + 1})")


def any_value(text: str, at: int) -> tuple[Any, int]:
    """Return any value, its numbers as texts."""
    try:
        return GRAMMAR.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise not_json(error.msg[:1].lower() + error.msg[1:], error.pos) from None
    except ValueError as error:
        raise NotJson(str(error)) from None


def mismatch(text: str, at: int, what: str, *, no_field: bool = False) -> Mismatch:
    """Return what is raised for a value of another type, or for one of no field."""
    end = any_value(text, at)[1]
    told = what if no_field else f"{what}: {shown_json(text, at, end)}"
    return Mismatch([Fault("", told, no_field)], end)


def is_whole(text: str) -> bool:
    """Whether the text has no half of a character, which JSON can escape and UTF-8 cannot say."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
