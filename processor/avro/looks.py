"""What bytes look like that have no known framing: for the message of their dead letter.

A guess from the first bytes, for whoever sends them. It decides nothing.
"""

from typing import Final

from processor.core.shown import shown_bytes

_AGAIN: Final = b"\xc3\x01".decode("latin-1").encode()
"""The marker of single-object encoding, each of its bytes taken for a character of Latin-1."""
_REVERSED: Final = b"\x01\xc3"
_REPLACEMENT: Final = "\ufffd".encode()
_BOM: Final = b"\xef\xbb\xbf"
_READ: Final = 64
"""So many bytes are looked at."""
_TEXT_BYTES: Final = frozenset(b"\t\n\r") | frozenset(range(0x20, 0x7F))

_ADVICE: Final = "send the bytes as they are, with a serializer of bytes"
_BEGINNINGS: Final = (
    (
        b"Obj\x01",
        "an Avro object container, a file: send each datum by itself, behind a framing",
    ),
    (_REVERSED, "the marker of single-object encoding in reverse: it is C3 01"),
    (_REPLACEMENT, f"bytes that were decoded as text and lost thereby (EF BF BD): {_ADVICE}"),
    (b"\x1f\x8b", "gzip: leave compression to the producer (compression.type)"),
    (b"\x28\xb5\x2f\xfd", "zstd: leave compression to the producer (compression.type)"),
    (b"\xc3\x00\x01\x00", f"bytes that were encoded as UTF-16: {_ADVICE}"),
    (b"\xff\xfe", "a text in UTF-16: JSON is UTF-8"),
    (b"\xfe\xff", "a text in UTF-16: JSON is UTF-8"),
)
_TEXTS: Final = (
    (("{", "["), "JSON: an update in JSON is one object, where PROCESSOR_INPUT_FORMATS names json"),
    (("b'", 'b"'), f"how Python prints bytes: {_ADVICE}"),
    (("c301", "0xc301", "c3 01"), f"bytes that were written in hex: {_ADVICE}"),
    (("wwe", "wwf", "wwg", "wwh"), f"bytes that were written in Base64: {_ADVICE}"),
    (('"',), "a text in JSON: an update is an object, not put into quotes once more"),
    (("<",), "XML, which is not read"),
)


def first_bytes(value: bytes) -> str:
    """Return the first bytes for a message, and how many there are."""
    return f"{len(value):,} bytes, {shown_bytes(value)}" if value else "no bytes"


def looks_like(value: bytes) -> str:
    """Return what a value of no known framing looks like, empty where nothing can be said."""
    start = value[:_READ]
    if start.startswith(_AGAIN):
        return f"bytes that were decoded as Latin-1 and encoded as UTF-8: {_ADVICE}"
    for beginning, what in _BEGINNINGS:
        if start.startswith(beginning):
            return what
    text = start.removeprefix(_BOM).lstrip()
    if text and _TEXT_BYTES.issuperset(text):
        lower = text.decode().lower()
        for beginnings, what in _TEXTS:
            if lower.startswith(beginnings):
                return what
    return ""


def lost_as_text(value: bytes) -> str:
    """Return what to say of a datum that was decoded as text on its way; empty for others."""
    if _REPLACEMENT not in value:
        return ""
    return f"; it holds EF BF BD, as bytes do that were decoded as text: {_ADVICE}"
