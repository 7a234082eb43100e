"""What else stands before a value in single-object encoding: the fingerprints of other libraries.

Written apart from `processor/` and importing nothing of it. `make contract` puts them into
`contract/schemas.json`.
"""

from typing import Any, Final

from fastavro.schema import fingerprint

LIBRARIES: Final = {
    "goavro 2.12, Python's avro, Rust's apache-avro 0.17": {"object"},
    "goavro 2.9": {"object", "bare enum"},
    "hamba/avro, Rust's apache-avro 0.16": {"object", "logical"},
    "Rust's apache-avro 0.14": {"object", "logical", "bare enum", "bare record"},
}
"""By who writes it, what a canonical form of theirs has that Avro's has not."""

_ORDER: Final = ("name", "type", "fields", "symbols", "items", "values", "size", "logicalType")


def other_frames(schema: Any) -> list[bytes]:
    """Return the ten bytes of each of them, then those with the fingerprint turned about."""
    own, *others = (_crc(_form(schema, "", kept)) for kept in (set[str](), *LIBRARIES.values()))
    turned = [each[::-1] for each in (own, *others)]
    return [b"\xc3\x01" + each for each in (*others, *turned)]


def _crc(form: str) -> bytes:
    return bytes.fromhex(fingerprint(form, "CRC-64-AVRO"))


def _form(part: Any, space: str, kept: set[str]) -> str:
    match part:
        case list():
            return f"[{','.join(_form(each, space, kept) for each in part)}]"
        case str():  # of the names, `schemas/` refers to an enum's alone
            own = f"{space}." if part[:1].isupper() and "bare enum" not in kept else ""
            return f'"{own}{part}"'
        case {"type": "record" | "enum" as kind, "name": name}:
            here = part.get("namespace", space)
            bare = "namespace" not in part and f"bare {kind}" in kept
            members = {**part, "name": name if bare else f"{here}.{name}"}
        case {"type": str(kind), "logicalType": _} if not kept:
            return f'"{kind}"'
        case _:
            here, members = space, part
    written = (
        f'"{each}":{_member(each, members[each], here, kept)}'
        for each in _ORDER
        if each in members and (each != "logicalType" or "logical" in kept)
    )
    return f"{{{','.join(written)}}}"


def _member(name: str, value: Any, space: str, kept: set[str]) -> str:
    match name, value:
        case "fields", _:
            return f"[{','.join(_field(each, space, kept) for each in value)}]"
        case "symbols", _:
            return f"[{','.join(map(_quoted, value))}]"
        case (("items" | "values" | "type"), _) if value not in ("record", "enum"):
            return _form(value, space, kept)
    return _quoted(value)


def _field(field: Any, space: str, kept: set[str]) -> str:
    return f'{{"name":{_quoted(field["name"])},"type":{_form(field["type"], space, kept)}}}'


def _quoted(text: str) -> str:
    return f'"{text}"'
