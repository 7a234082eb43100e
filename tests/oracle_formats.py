"""The formats of the input, as docs/contract.md says them; shares nothing with `processor`.

A parser of JSON that keeps where each value stands, types by the Avro schema, times by the calendar
of `datetime`.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

DEEPEST: Final = 128
_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_WORD = re.compile(r"true|false|null")
_TIME = re.compile(
    r"([0-9]{4})(-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?:[Zz]|([-+][0-9]{2})(?::?([0-9]{2}))?)"
)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GREGORIAN_CYCLE: Final = 146_097 * 86_400_000
_JSON_TYPE = re.compile(r"application/json|text/json|application/.*\+json", re.DOTALL)

Document = dict[str, Any]
Headers = Iterable[tuple[str, bytes | None]]


class Undecodable(Exception):  # noqa: N818
    """Rule 1 applies."""


@dataclass
class Node:
    """A value of JSON: `of` is its type, or `word`; `text` is how it stands there."""

    of: str
    text: str
    parts: list[Any]
    """Of an object pairs of name and node, of an array nodes, of a string the string."""

    @property
    def absent(self) -> bool:
        return self.text == "null"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def whole(self) -> Node:
        self.space()
        node = self.value(0)
        self.space()
        if self.at != len(self.text):
            raise Undecodable
        return node

    def space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found
        self.at = found.end()

    def next_is(self, mark: str) -> bool:
        self.space()
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        self.space()
        return True

    def value(self, depth: int) -> Node:
        start = self.at
        opened = self.text[start : start + 1]
        if opened in ("{", "["):
            if depth == DEEPEST:
                raise Undecodable
            self.at += 1
            parts = self.members(depth + 1) if opened == "{" else self.items(depth + 1)
            return Node("object" if opened == "{" else "array", self.text[start : self.at], parts)
        for of, form in (("string", _STRING), ("number", _NUMBER), ("word", _WORD)):
            found = form.match(self.text, start)
            if found:
                self.at = found.end()
                return Node(of, found[0], [json.loads(found[0])] if of == "string" else [])
        raise Undecodable

    def items(self, depth: int) -> list[Node]:
        self.space()
        return self.separated("]", lambda: self.value(depth))

    def members(self, depth: int) -> list[tuple[str, Node]]:
        def member() -> tuple[str, Node]:
            name = self.value(DEEPEST)
            if name.of != "string" or not self.next_is(":"):
                raise Undecodable
            return name.parts[0], self.value(depth)

        self.space()
        return self.separated("}", member)

    def separated(self, closed: str, part: Callable[[], Any]) -> list[Any]:
        parts: list[Any] = []
        if self.text.startswith(closed, self.at):
            self.at += 1
            return parts
        while True:
            parts.append(part())
            self.space()
            if self.text.startswith(closed, self.at):
                self.at += 1
                return parts
            if not self.next_is(","):
                raise Undecodable


def parsed(value: bytes) -> Node:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise Undecodable from None
    return _Parser(text).whole()


def members(node: Node) -> dict[str, Node]:
    """Return an object's members, names once each; null is absent."""
    if node.of != "object":
        raise Undecodable
    names = [text(name) for name, _ in node.parts]
    if len(set(names)) != len(names):
        raise Undecodable
    return dict(node.parts)


def text(value: object) -> str:
    if not isinstance(value, str) or any("\ud800" <= each <= "\udfff" for each in value):
        raise Undecodable
    return value


def string(node: Node) -> str:
    return text(node.parts[0] if node.of == "string" else None)


def moment(value: str) -> int:
    """Return milliseconds since 1970."""
    found = _TIME.fullmatch(value)
    if not found:
        raise Undecodable
    year, date, minute, second, fraction, hours, minutes = found.groups()
    try:
        # 400 years later the calendar is the same, and year 0 is one that datetime has.
        local = datetime.fromisoformat(
            f"{int(year) % 400 + 400:04}{date}T{minute}:{second or '00'}+00:00"
        )
        offset = timedelta(hours=int(hours or 0))
        more = timedelta(minutes=int(minutes or 0))
        if int(minutes or 0) > 59 or abs(int(hours or 0)) > 23:
            raise Undecodable
        offset = offset - more if (hours or "").startswith("-") else offset + more
        at = (local.replace(tzinfo=timezone(offset)) - _EPOCH) // _MILLISECOND
    except ValueError:
        raise Undecodable from None
    at += (int(year) // 400 - 1) * _GREGORIAN_CYCLE
    return at + int((fraction or "0").ljust(3, "0")[:3])


def typed(schema: Any, node: Node, name: str = "") -> Any:
    """Return a value of this type of Avro's."""
    if isinstance(schema, list):
        return None if node.absent else typed(schema[1], node, name)
    whole = schema if isinstance(schema, dict) else {"type": schema}
    return _TYPES[whole["type"]](whole, node, name)


def _string(_: Any, node: Node, name: str) -> str:
    return node.text if name == "attributes" else string(node)


def _long(_: Any, node: Node, name: str) -> int:
    if name == "eventTime" and node.of == "string":
        return moment(string(node))
    return whole(node)


def _double(_schema: Any, node: Node, _name: str) -> float:
    if node.of != "number":
        raise Undecodable
    return float(node.text)


def _enum(schema: Any, node: Node, _: str) -> str:
    if string(node) not in schema["symbols"]:
        raise Undecodable
    return string(node)


def _array(schema: Any, node: Node, _: str) -> list[Any]:
    if node.of != "array":
        raise Undecodable
    return [typed(schema["items"], each) for each in node.parts]


def _map(schema: Any, node: Node, name: str) -> Document:
    return {each: typed(schema["values"], of, name) for each, of in members(node).items()}


def _record(schema: Any, node: Node, _: str) -> Document:
    return required(record(schema["fields"], members(node)), schema["fields"])


_TYPES: Final[dict[str, Callable[[Any, Node, str], Any]]] = {
    "string": _string,
    "int": _long,
    "long": _long,
    "double": _double,
    "enum": _enum,
    "array": _array,
    "map": _map,
    "record": _record,
}


def whole(node: Node) -> int:
    if node.of != "number" or not _WHOLE.fullmatch(node.text):
        raise Undecodable
    if not -(2**63) <= int(node.text) < 2**63:
        raise Undecodable
    return int(node.text)


def record(fields: list[Any], given: Mapping[str, Node]) -> Document:
    """Return the fields that are not absent."""
    types = {field["name"]: field["type"] for field in fields}
    if not given.keys() <= types.keys():
        raise Undecodable
    return {name: typed(types[name], of, name) for name, of in given.items() if not of.absent}


def required(found: Document, fields: list[Any]) -> Document:
    """Return them with null for those that are absent and may be."""
    if any(field["name"] not in found and "default" not in field for field in fields):
        raise Undecodable
    return {field["name"]: found.get(field["name"]) for field in fields}


def held(headers: Headers, name: str) -> bytes | None:
    return next((value for each, value in headers if each == name), None)


def media(value: bytes | None) -> str:
    try:
        return (value or b"").decode("ascii").split(";")[0].strip(" \t").lower()
    except UnicodeDecodeError:
        return ""


def is_json_type(of: str) -> bool:
    return _JSON_TYPE.fullmatch(of) is not None


def json_of(value: bytes, headers: Headers, kinds: Mapping[bytes, str]) -> bytes | None:
    """Return the JSON that a record holds, None where it is Avro.

    `kinds` are those of a registry's schemas, by the framing that names them.
    """
    of = media(held(headers, "content-type"))
    in_header = held(headers, "__value_schema_id") is not None
    if value.startswith(b"\xc3\x01"):
        return None
    named = held(headers, "__value_schema_id") or next(filter(value.startswith, kinds), None)
    if named is not None or value[:1] in (b"\x00", b"\x01"):
        if kinds.get(named or b"") != "JSON":
            return None
        return value if in_header else value[len(named or b"") :]
    if "avro" in of:
        return None
    if is_json_type(of):
        return value
    if of.startswith("application/cloudevents"):
        raise Undecodable
    return value if value.startswith(b"{") else None


def update_of(
    value: bytes,
    headers: Headers,
    schema: Any,
    formats: Collection[str],
    kinds: Mapping[bytes, str],
) -> tuple[Document, bool] | None:
    """Return an update in JSON and whether its CloudEvent contradicts it; None where it is Avro."""
    headers = list(headers)
    found = json_of(value, headers, kinds)
    if found is None:
        return None
    of = media(held(headers, "content-type"))
    version = held(headers, "ce_specversion")
    structured = of == "application/cloudevents+json"
    event = structured or (version is not None and "cloudevents" in formats)
    if of == "application/cloudevents-batch+json":
        raise Undecodable
    if ("cloudevents" if event else "json") not in formats:
        raise Undecodable
    given = members(parsed(found))
    own: Document = {}
    if structured:
        given, own = envelope(given)
    elif event:
        own = of_headers(headers, version)
    data = record(schema["fields"], given)
    contradicts = any(data.get(name, of) != of for name, of in own.items())
    return required({**own, **data}, schema["fields"]), contradicts


def envelope(given: dict[str, Node]) -> tuple[dict[str, Node], Document]:
    here = {name: node for name, node in given.items() if not node.absent}
    if "specversion" not in here or string(here["specversion"]) != "1.0":
        raise Undecodable
    content = string(here["datacontenttype"]) if "datacontenttype" in here else "text/json"
    if "data_base64" in here or "data" not in here:
        raise Undecodable
    if not (content.isascii() and is_json_type(media(content.encode()))):
        raise Undecodable
    own: Document = {}
    if "id" in here:
        own["eventId"] = string(here["id"])
    if "time" in here:
        own["eventTime"] = moment(string(here["time"]))
    return members(here["data"]), own


def of_headers(headers: Headers, version: bytes | None) -> Document:
    if version != b"1.0":
        raise Undecodable
    own: Document = {}
    try:
        if (identity := held(headers, "ce_id")) is not None:
            own["eventId"] = identity.decode()
        if (time := held(headers, "ce_time")) is not None:
            own["eventTime"] = moment(time.decode())
    except UnicodeDecodeError:
        raise Undecodable from None
    return own
