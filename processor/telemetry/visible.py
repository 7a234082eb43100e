"""Data on a terminal, also in a log: what it would obey, or would not show, is made visible."""

import re
from typing import Final
from unicodedata import category

from processor.core.shown import escaped

_SPACE: Final = "Zs"
"""Spaces of all widths, of which only the plain one counts as printable."""

_NOT_PLAIN = re.compile(r"[^ -~]")
_LINE = re.compile(r"[^\n]+")


def printable(text: str) -> str:
    """Return the text with an escape for each control or other character that is not seen.

    So no data moves the cursor, ends a line, or turns the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(each if _is_seen(each) else ascii(each)[1:-1] for each in text)


def printable_lines(text: str) -> str:
    """Return the same, the ends of lines as they are: of a text that is not one value."""
    return _LINE.sub(lambda line: printable(line[0]), text)


def printable_json(text: str) -> str:
    """Return a JSON text in one line with the same value, with JSON's own escapes."""
    if text.isprintable():
        return text
    return _NOT_PLAIN.sub(lambda each: each[0] if _is_seen(each[0]) else escaped(each[0]), text)


def _is_seen(character: str) -> bool:
    return character.isprintable() or category(character) == _SPACE
