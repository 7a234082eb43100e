"""Values within messages: cut, and with an escape for each character that is not seen."""

from typing import Final

MOST_SHOWN: Final = 80
"""So many characters tell which value it is."""


def shown(text: str) -> str:
    """Return a text in quotes."""
    inside = text[:MOST_SHOWN].replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_visible(inside)}"{_rest(len(text))}'


def shown_json(text: str, at: int, end: int) -> str:
    """Return the JSON text that stands from `at` to `end`."""
    return _visible(text[at : min(end, at + MOST_SHOWN)]) + _rest(end - at)


def shown_key(key: bytes | None) -> str:
    """Return a record's key: its text, or its bytes in hex where it is none."""
    if key is None:
        return "absent"
    try:
        return shown(key.decode())
    except UnicodeDecodeError:
        return f"{shown_bytes(key)}, which is not UTF-8"


def shown_bytes(value: bytes, most: int = 16) -> str:
    """Return the first bytes in hex."""
    return value[:most].hex(" ") + (" …" if len(value) > most else "")


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else escaped(each) for each in text)


def escaped(text: str) -> str:
    r"""Return the text as escapes of JSON: \u, each with four digits."""
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _rest(length: int) -> str:
    return f" … ({length:,} characters)" if length > MOST_SHOWN else ""
