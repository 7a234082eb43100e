"""Canonical forms and their fingerprints: Avro's own, and those that other libraries make instead.

Avro's parsing canonical form has full names, and neither attributes nor the objects that held
them. Not every library that writes single-object encoding makes it so; what they write is known
from bytes of theirs (`tests/avro/test_foreign.py`).
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from fastavro.schema import fingerprint

from processor.avro.definition import HELD, Definition, SchemaError, defined

Bare = Literal["none", "enums", "all"]
Logical = Literal["gone", "emptied", "kept"]


class Form(NamedTuple):
    """How a form is made.

    `logical`: what is left of a type with a logical one: its name, an object without the logical
    type, or one with it. `bare`: which types have no namespace that was not written beside them.
    """

    logical: Logical
    bare: Bare


STANDARD: Final = Form("gone", "none")

FORMS: Final[Mapping[str, Form]] = {
    "goavro from 2.12, Python's avro, Rust's apache-avro from 0.17": Form("emptied", "none"),
    "goavro 2.9 and 2.10": Form("emptied", "enums"),
    "hamba/avro, Rust's apache-avro 0.16": Form("kept", "none"),
    "Rust's apache-avro 0.14 and 0.15": Form("kept", "all"),
}
"""The other forms, each by the libraries that make it."""


def canonical(definition: Definition, form: Form = STANDARD) -> str:
    """Return the form of what is defined."""
    return _Writer(definition, form).written(definition.type)


def crc_64(text: str) -> bytes:
    """Return the CRC-64-AVRO of a form, as 8 little-endian bytes. Raises SchemaError."""
    try:
        return bytes.fromhex(fingerprint(text, "CRC-64-AVRO"))
    except UnicodeEncodeError:
        raise SchemaError("a letter in it has no bytes") from None


@lru_cache(64)
def aliases(text: str) -> tuple[bytes, ...]:
    """Return what else than its fingerprint stands in single-object encoding for a schema's text.

    That is the CRC of each form, and of all of them, Avro's included, with the bytes in big-endian
    order: what a library gives as a number, or in that order, is put there by hand. Raises
    SchemaError.
    """
    definition = defined(text)
    own, *others = (crc_64(canonical(definition, form)) for form in (STANDARD, *FORMS.values()))
    found = (*others, own[::-1], *(each[::-1] for each in others))
    return tuple(dict.fromkeys(each for each in found if each != own))


class _Writer:
    def __init__(self, definition: Definition, form: Form) -> None:
        self._definition = definition
        self._form = form
        self._kinds: Mapping[str, Callable[[Any], str]] = {
            "record": self._record,
            "enum": lambda part: f'"symbols":[{",".join(map(_quoted, part["symbols"]))}]',
            "fixed": lambda part: f'"size":{part["size"]}',
        }

    def written(self, part: Any) -> str:
        if isinstance(part, list):
            return f"[{','.join(map(self.written, part))}]"
        if isinstance(part, str):
            named = self._definition.named.get(part)
            return _quoted(part if named is None else self._name(named))
        return self._object(part, part["type"])

    def _object(self, part: Any, kind: str) -> str:
        if kind in HELD:
            return f'{{"type":"{kind}","{HELD[kind]}":{self.written(part[HELD[kind]])}}}'
        kept = ""
        if self._form.logical == "kept" and "logical" in part:
            kept = f',"logicalType":{_quoted(part["logical"])}'
        more = self._kinds.get(kind)
        if more is not None:
            name = _quoted(self._name(part))
            return f'{{"name":{name},"type":"{kind}",{more(part)}{kept}}}'
        return _quoted(kind) if self._form.logical == "gone" else f'{{"type":"{kind}"{kept}}}'

    def _record(self, part: Any) -> str:
        fields = (
            f'{{"name":{_quoted(each["name"])},"type":{self.written(each["type"])}}}'
            for each in part["fields"]
        )
        return f'"fields":[{",".join(fields)}]'

    def _name(self, part: Any) -> str:
        name = str(part["name"]).removeprefix(".")
        bare = self._form.bare == "all" or (self._form.bare == "enums" and part["type"] != "record")
        return name.rpartition(".")[2] if bare and "bare" in part else name


def _quoted(text: str) -> str:
    return f'"{text}"'
