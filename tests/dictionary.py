"""What `docs/dictionary.md` has of the schemas: their `doc`, and since when a field is there."""

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from oracle import SCHEMAS, Document

FILE: Final = SCHEMAS.parent / "docs" / "dictionary.md"
PARTS: Final = re.compile(r"(.*?)(?: Unit: (.*?)\.)?(?: Mind: (.*))?")
RECORDS: Final = ("CustomerSession", "SessionUpdate", "SessionCommand")


def text() -> str:
    """Return the page as it should be: a section for each record is made, the rest stays."""
    page = FILE.read_text("utf-8")
    for record in RECORDS:
        before, heading, rest = page.partition(f"\n## {record}\n")
        after = rest.partition("\n## ")
        page = before + heading + _section(record) + "".join(after[1:])
    return page


def _section(record: str) -> str:
    schema = _read(f"{record}.avsc")
    versions = [{"/".join(path): _type(each) for path, each in _fields(schema)}]
    for number in count(1):
        if not (SCHEMAS / f"history/{record}.{number}.avsc").exists():
            break
        former = _fields(_read(f"history/{record}.{number}.avsc"))
        versions.insert(-1, {"/".join(path): _type(each) for path, each in former})
    rows = "".join(_row(path, field, versions) for path, field in _fields(schema))
    return (
        f"\n{schema['doc']}\n\n"
        f"| field | type | meaning | unit | since | mind |\n|---|---|---|---|---|---|\n{rows}"
    )


def _read(name: str) -> Document:
    return dict(json.loads((SCHEMAS / name).read_text()))


def _fields(schema: Document, *above: str) -> Iterator[tuple[tuple[str, ...], Document]]:
    """Yield each field, and those of the records inside it, by their path."""
    for field in schema["fields"]:
        path = *above, field["name"]
        yield path, field
        for inner in _records(field["type"]):
            yield from _fields(inner, *path)


def _records(kind: Any) -> Iterator[Document]:
    for each in kind if isinstance(kind, list) else [kind]:
        if isinstance(each, dict):
            if each["type"] == "record":
                yield each
            yield from _records(each.get("items", []))


def _type(field: Document) -> str:
    return _named(field["type"])


def _named(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(map(_named, kind))
    if isinstance(kind, str):
        return kind
    inner = kind.get("items", kind.get("values"))
    if inner is not None:
        several = _named(inner)
        return f"{kind['type']} of " + (f"({several})" if " or " in several else several)
    return str(kind.get("logicalType", kind.get("name", kind["type"])))


def _row(path: tuple[str, ...], field: Document, versions: list[dict[str, str]]) -> str:
    parts = PARTS.fullmatch(field["doc"])
    assert parts
    meaning, unit, mind = (part or "" for part in parts.groups())
    same = [each.get("/".join(path)) == _type(field) for each in versions]
    since = len(same) - [*reversed(same), False].index(False) + 1
    mind = mind[:1].upper() + mind[1:]
    cells = f"`{'.'.join(path)}`", _type(field), meaning, unit, str(since), mind
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|\n"
