"""RFC 8259, nested at most 64 deep, as a recursive descent; shares nothing with `processor`."""

import re
from typing import Final

DEEPEST: Final = 64
_SPACE = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"'
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null"
)


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too


def _end(text: str, at: int, depth: int) -> int:
    """Return where the value that starts at `at` ends, white space included; ValueError if none."""
    opened = text[at : at + 1]
    if opened not in ("[", "{") or not opened:
        return _atom_end(text, at)
    if depth == DEEPEST:
        raise ValueError
    closed = "]" if opened == "[" else "}"
    at = _skip(text, at + 1)
    if text.startswith(closed, at):
        return _skip(text, at + 1)
    while True:
        if opened == "{":
            if not text.startswith('"', at):
                raise ValueError
            at = _atom_end(text, at)
            if not text.startswith(":", at):
                raise ValueError
            at = _skip(text, at + 1)
        at = _end(text, at, depth + 1)
        if text.startswith(closed, at):
            return _skip(text, at + 1)
        if not text.startswith(",", at):
            raise ValueError
        at = _skip(text, at + 1)


def _atom_end(text: str, at: int) -> int:
    atom = _ATOM.match(text, at)
    if not atom:
        raise ValueError
    return _skip(text, atom.end())


def is_json(text: str) -> bool:
    try:
        return _end(text, _skip(text, 0), 0) == len(text)
    except ValueError:
        return False
