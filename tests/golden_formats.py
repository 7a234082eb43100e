"""`contract/formats.json`: one update in every format, and records that are told or refused."""

import io
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import fastavro
from oracle import READER, SCHEMAS, Document, Entry, Formats, expected, read_update
from oracle import _schema as framed

UPDATE_FRAME: Final = framed(SCHEMAS / "SessionUpdate.avsc")[0]
NOON: Final = 1_767_268_800_000
ALL: Final = ("avro", "json", "cloudevents")
KEY: Final = b"1:cart-17"
NUMBER: Final = 258
FRAME: Final = b"\x00" + NUMBER.to_bytes(4, "big")
STRUCTURED: Final = ("content-type", b"application/cloudevents+json")
PLAIN: Final = ("content-type", b"application/json")
OPTIONAL: Final = tuple(each["name"] for each in READER["fields"] if "default" in each)

LEAST: Final = (
    '"eventId":"e-1","eventTime":1767268801000,"applicationId":1,"integrationId":"cart-17"'
)
RICH: Final = (
    '"profileId":"ann","coupon":"T\\u00e9N","referral":"","state":"open","cartItems":[{"name":"Mug",'
    '"sku":"MUG","quantity":2,"price":9.5,"category":"cups","weight":0.3,"height":null,"attributes":'
    '{"gift":true,"note":null}},{"price":1E-1,"sku":"B","name":"","quantity":1}],"identifiers":'
    '["x","\\ud83d\\ude00"],"attributes":{"big":1e999,"digits":12345678901234567890.10,"half":'
    '"\\ud800","twice":{"a":1,"a":[ 2 ]},"gone":null},"discounts":{"ten":-0,"vip":5,"old":null}'
)
IDENTITY: Final = '"applicationId":1,"integrationId":"cart-17"'


class Case(NamedTuple):
    name: str
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...] = ()
    formats: tuple[str, ...] = ALL
    kind: str | None = None
    """Of the registry's schema 258; without one there is no registry."""
    key: bytes = KEY


def encoded(update: Document) -> bytes:
    out = io.BytesIO(UPDATE_FRAME)
    out.seek(0, 2)
    fastavro.schemaless_writer(out, READER, update)
    return out.getvalue()


def binary(
    version: str = "1.0", *more: tuple[str, bytes | None], **attributes: str
) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers of an event in binary mode."""
    given = {"specversion": version, "source": "/shop", "type": "cart", **attributes}
    return (*((f"ce_{name}", value.encode()) for name, value in given.items()), *more)


def least(more: str = "", of: str = LEAST) -> bytes:
    return f"{{{of}{',' if more else ''}{more}}}".encode()


def event(data: str = "{" + LEAST + "}", **members: Any) -> bytes:
    """Return an event in structured mode; a member that is given as None is left out."""
    given = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "cart", **members}
    texts = [f"{json.dumps(n)}:{json.dumps(v)}" for n, v in given.items() if v is not None]
    return ("{" + ",".join([*texts, *([f'"data":{data}'] if data else [])]) + "}").encode()


def item(**fields: Any) -> str:
    plain = {"name": "Mug", "sku": "MUG", "quantity": 1, "price": 1}
    return '"cartItems":[' + json.dumps({**plain, **fields}) + "]"


def cases() -> Iterator[Case]:
    yield from _same()
    yield from _told()
    yield from _json()
    yield from _values()
    yield from _events()


def _same() -> Iterator[Case]:
    """Yield one update in every format."""
    rich = least(RICH)
    without = "{" + IDENTITY + "," + RICH + "}"
    yield Case("same: Avro", encoded(rich_update()))
    yield Case("same: Avro, whatever its headers say", encoded(rich_update()), binary(id="x"))
    yield Case("same: JSON by its first byte", rich)
    yield Case("same: JSON by its content type", b" \n" + rich + b"\t\r\n", (PLAIN,))
    yield Case(
        "same: JSON under a registry's id", FRAME + rich, formats=("avro", "json"), kind="JSON"
    )
    header = ("__value_schema_id", FRAME)
    yield Case("same: JSON under an id in a header", rich, (header, PLAIN), kind="JSON")
    time = "2026-01-01T12:00:01.000999Z"
    yield Case("same: binary", without.encode(), binary(id="e-1", time=time))
    only = ("avro", "cloudevents")
    yield Case("same: binary that repeats", rich, binary(id="e-1", time=time), only)
    data = event(without, time="2026-01-01T13:00:01+01:00", datacontenttype="application/x+json")
    yield Case("same: structured", data, (STRUCTURED,), only)
    spelled = ("content-type", b"Application/CloudEvents+JSON ; charset=UTF-8")
    extended = event("{" + LEAST + "," + RICH + "}", trace={"a": [1]}, subject=7)
    yield Case("same: structured that repeats and extends", extended, (spelled,))


def rich_update() -> Document:
    rest = dict.fromkeys(("category", "weight", "height", "width", "length", "position"))
    mug = {"name": "Mug", "sku": "MUG", "quantity": 2, "price": 9.5, **rest, "category": "cups"}
    return {
        "eventId": "e-1",
        "eventTime": NOON + 1000,
        "applicationId": 1,
        "integrationId": "cart-17",
        **dict.fromkeys(OPTIONAL),
        "profileId": "ann",
        "coupon": "TéN",
        "referral": "",
        "state": "open",
        "cartItems": [
            {**mug, "weight": 0.3, "attributes": {"gift": "true", "note": "null"}},
            {"name": "", "sku": "B", "quantity": 1, "price": 0.1, **rest, "attributes": None},
        ],
        "identifiers": ["x", "\U0001f600"],
        "attributes": {
            "big": "1e999",
            "digits": "12345678901234567890.10",
            "half": '"\\ud800"',
            "twice": '{"a":1,"a":[ 2 ]}',
            "gone": None,
        },
        "discounts": {"ten": -0.0, "vip": 5.0, "old": None},
    }


def _told() -> Iterator[Case]:
    """Yield what is told by headers, bytes and the setting."""
    plain, avro, one = least(), ("avro",), ("avro", "json")
    for formats in (avro, ("avro", "cloudevents")):
        on = ",".join(formats)
        yield Case(f"told: json is not on ({on})", plain, formats=formats)
        yield Case(f"told: json is not on, by content type ({on})", plain, (PLAIN,), formats)
    for formats in (avro, one):
        name = f"told: cloudevents is not on, structured ({','.join(formats)})"
        yield Case(name, event(), (STRUCTURED,), formats)
    yield Case("told: cloudevents is not on, binary", plain, binary("0.3", id="x"), one)
    without = least('"eventTime":1', IDENTITY)
    yield Case("told: binary without cloudevents", without, binary(id="e-1"), one)
    types = (
        "text/json",
        "application/vnd.shop+json; charset=latin1",
        "application/octet-stream",
        "text/plain",
        "avro/binary",
        "application/vnd.apache.avro+json",
        "application/cloudevents",
        "application/cloudevents+protobuf",
        "application/cloudevents-batch+json",
        "äpplication/json",
    )
    for media in types:
        yield Case(f"told: {media}", plain, (("content-type", media.encode()),))
        yield Case(
            f"told: {media}, behind a space", b" " + plain, (("content-type", media.encode()),)
        )
    yield Case("told: Content-Type is another header", b" " + plain, (("Content-Type", PLAIN[1]),))
    yield Case("told: no content type", plain, (("content-type", None), STRUCTURED))
    yield Case("told: the first content type", plain, (PLAIN, STRUCTURED))
    for kind in ("AVRO", "PROTOBUF", None):
        yield Case(f"told: an id of {kind}", FRAME + plain, (PLAIN,), kind=kind)
    yield Case("told: an id that is cut", FRAME[:3], kind="JSON")
    yield Case("told: a header that is no id", plain, (("__value_schema_id", b"\x00"), PLAIN))
    yield Case("told: an array", b"[" + plain + b"]")
    yield Case("told: nothing", b"")


def _json() -> Iterator[Case]:
    """Yield what is no JSON, or none that is taken."""
    wrong: dict[str, bytes] = {
        "a byte order mark": b"\xef\xbb\xbf" + least(),
        "UTF-16": least().decode().encode("utf-16-le"),
        "Latin-1": least('"coupon":"é"').decode().encode("latin-1"),
        "an overlong form": least('"coupon":"x"').replace(b'"x"', b'"\xc0\xaf"'),
        "a surrogate in UTF-8": least('"coupon":"x"').replace(b'"x"', b'"\xed\xa0\x80"'),
        "half a pair": least('"coupon":"\\ud800"'),
        "half a pair in a name": least('"discounts":{"\\udfff":1}'),
        "half a pair as an attribute's name": least('"attributes":{"\\ud800":1}'),
        "a name twice": least('"coupon":"A","coupon":"A"'),
        "a name twice, escaped": least('"coupon":"A","\\u0063oupon":null'),
        "a discount twice": least('"discounts":{"a":1,"a":1}'),
        "an attribute twice": least('"attributes":{"a":1,"a":1}'),
        "an item's name twice": least(
            '"cartItems":[{"name":"","name":"","sku":"S","quantity":1,"price":1}]'
        ),
        "an item's attribute twice": least(
            '"cartItems":[{"name":"","sku":"S","quantity":1,"price":1,"attributes":{"a":1,"a":2}}]'
        ),
        "nothing": b"",
        "an array": b"[]",
        "null": b"null",
        "two values": least() + least(),
        "its end is missing": least()[:-1],
        "a trailing comma": least()[:-1] + b",}",
        "a comment": least() + b"//",
        "NaN": least('"total":NaN'),
        "Infinity": least('"total":-Infinity'),
        "a leading zero": least('"total":01'),
        "a leading plus": least('"total":+1'),
        "no digit behind the point": least('"total":1.'),
        "single quotes": least().replace(b'"', b"'"),
        "a line feed in a string": least('"coupon":"a\nb"'),
        "an escape that is none": least('"coupon":"\\x41"'),
        "NaN in an attribute": least('"attributes":{"a":NaN}'),
        "a field that is none": least('"colour":null'),
        "a field in other letters": least('"Coupon":"A"'),
        "an item's field that is none": least(item(colour=1)),
        "no eventId": least('"eventTime":1', IDENTITY),
        "no eventTime": least('"eventId":"e-1"', IDENTITY),
        "eventId is null": least('"eventId":null,"eventTime":1', IDENTITY),
        "no applicationId": least("", LEAST.replace('"applicationId":1,', "")),
        "integrationId is null": least("", LEAST.replace('"cart-17"', "null")),
        "an item without sku": least('"cartItems":[{"name":"","quantity":1,"price":1}]'),
        "an item's price is null": least(item(price=None)),
        "an item is null": least('"cartItems":[null]'),
        "an identifier is null": least('"identifiers":[null]'),
        "129 deep": least('"attributes":{"a":' + "[" * 127 + "]" * 127 + "}"),
        "2,000 deep": b'{"a":' * 2_000,
    }
    for name, value in wrong.items():
        yield Case(f"json: {name}", value, (PLAIN,))


def _values() -> Iterator[Case]:
    """Yield values at the borders of their types and of rule 3."""
    given = {
        "applicationId": (
            "1.0",
            "1e0",
            '"1"',
            "true",
            "-0",
            "0",
            "2147483648",
            "9223372036854775808",
            "9" * 5000,
        ),
        "eventTime": (
            *("-0", "0", "-1", "253402300799999", "253402300800000", "1767268801000.0", "true"),
            *(
                f'"{text}"'
                for text in (
                    *("2026-01-01T12:00:01Z", "2026-01-01t12:00:01z", "2026-01-01 14:00:01+02:00"),
                    *(
                        "2026-01-01T12:00Z",
                        "2026-01-01T12:00:01,9999+0000",
                        "2026-01-01T12:00:01-05",
                    ),
                    *("2024-02-29T00:00:00Z", "2026-02-29T00:00:00Z", "2026-00-01T00:00:00Z"),
                    *("2026-01-01T24:00:00Z", "2026-06-30T23:59:60Z", "2026-01-01T12:00:01"),
                    *(
                        "2026-01-01T12:00:01.Z",
                        "2026-01-01T12:00:01+24:00",
                        "2026-01-01",
                        "1767268801",
                    ),
                    *(
                        "1969-12-31T23:59:59.9999Z",
                        "1970-01-01T00:00:00.0009Z",
                        "0000-01-01T00:00:00Z",
                    ),
                    *(
                        "9999-12-31T23:59:59.999Z",
                        "9999-12-31T23:59:59-00:01",
                        "",
                        "2026-W01-1T00:00Z",
                    ),
                )
            ),
        ),
        "total": (
            "-0",
            "-0.0",
            "1e999",
            "9" * 5000,
            "1e-999",
            "0." + "1" * 5000,
            '"1"',
            "true",
            "[]",
            "18446744073709551617",
        ),
        "state": ('"closed"', '"gone"', '"Open"', '"\\u006fpen"', "1"),
        "coupon": ("1", '""', '"\\u0000"', '"\U0001f600"', "{}"),
        "identifiers": ("[]", '"a"', '["a",1]', "{}"),
        "attributes": (
            "{}",
            "[]",
            '{"":""}',
            *(f'{{"a":{"[" * n}{"]" * n}}}' for n in (64, 65, 126)),
        ),
        "discounts": ("{}", '{"a":null}', '{"a":"1"}', '{"a":1e400}', "[]"),
        "cartItems": ("[]", "{}", "[1]", '[{"name":"","sku":"","quantity":1,"price":1}]'),
        "eventId": ('""', "1", '"\\ud83d\\ude00"'),
        "integrationId": ('""', "17"),
    }
    for name, texts in given.items():
        for text in texts:
            others = [each for each in LEAST.split(",") if not each.startswith(f'"{name}"')]
            short = text if len(text) < 60 else f"{text[:20]}… ({len(text)} characters)"
            yield Case(f"value: {name} {short}", least(f'"{name}":{text}', ",".join(others)))
    for wrong in ({"quantity": 0}, {"quantity": 2**31}, {"quantity": "1"}, {"weight": "1"}):
        yield Case(f"value: item {wrong}", least(item(**wrong)))
    for text in ("{}", '{"a":' + "[" * 65 + "]" * 65 + "}"):
        yield Case(
            f"value: item's attributes {text[:20]}",
            least(item(attributes=0).replace(": 0", f": {text}")),
        )
    yield Case("value: the key is of another session", least(), key=b"1:cart-18")
    yield Case("value: a key mismatch before an invalid value", least('"total":1e999'), key=b"x")


def _events() -> Iterator[Case]:
    """Yield CloudEvents."""
    none = least("", IDENTITY)
    time = "2026-01-01T12:00:01Z"
    yield Case("binary: no id", none, binary(time=time))
    yield Case("binary: no time", none, binary(id="e-1"))
    yield Case("binary: the update's own", least(), binary())
    yield Case("binary: another id", least(), binary(id="e-2"))
    yield Case("binary: another id, another key", least(), binary(id="e-2"), key=b"1:x")
    yield Case("binary: another time", least(), binary(time="2026-01-01T12:00:01.001Z"))
    yield Case(
        "binary: within the millisecond", least(), binary(time="2026-01-01T12:00:01.000999Z")
    )
    yield Case("binary: an empty id", none, binary(id="", time=time))
    yield Case("binary: an empty id, another in the update", least(), binary(id=""))
    for version in ("0.3", "1.1", "1", "", "1.0 "):
        yield Case(f"binary: version {version!r}", least(), binary(version))
    yield Case("binary: no version", none, binary(id="e-1", time=time)[1:])
    yield Case("binary: no value of a version", none, (("ce_specversion", None), *binary(id="e-1")))
    for wrong in ("yesterday", "", "1767268801000", "2026-01-01T12:00:60Z"):
        yield Case(f"binary: time {wrong!r}", least(), binary(time=wrong))
    yield Case("binary: an id that is not UTF-8", least(), (*binary(), ("ce_id", b"\xff")))
    yield Case("binary: an id without value", none, (*binary(time=time), ("ce_id", None)))
    first = (("ce_id", b"e-1"), *binary(id="e-2", time=time))
    yield Case("binary: the first id", none, first)
    yield Case("binary: not an object", b"[]", (*binary(id="e-1", time=time), PLAIN))
    yield Case(
        "binary: before 1970 by a part", none, binary(id="e-1", time="1969-12-31T23:59:59.9999Z")
    )
    inner = "{" + IDENTITY + "}"
    members: dict[str, dict[str, Any]] = {
        "no time": {"data": inner},
        "no id": {"data": inner, "id": None, "time": time},
        "another id": {"id": "e-2"},
        "another time": {"time": "2026-01-01T12:00:02Z"},
        "within the millisecond": {"time": "2026-01-01T12:00:01.000999Z"},
        "no version": {"specversion": None},
        "version 0.3": {"specversion": "0.3"},
        "a number as version": {"specversion": 1.0},
        "a number as id": {"id": 1},
        "a number as time": {"time": 1767268801000},
        "half a pair in the id": {"id": "\ud800"},
        "half a pair in the source": {"source": "\ud800"},
        "no source, no type": {"source": None, "type": None},
        "no data": {"data": ""},
        "data is null": {"data": "null"},
        "data is a string": {"data": json.dumps("{" + LEAST + "}")},
        "data_base64": {"data": "", "data_base64": "e30="},
        "data_base64 beside data": {"data_base64": "e30="},
        "a datacontenttype": {"datacontenttype": "text/json ; charset=utf-8"},
        "another datacontenttype": {"datacontenttype": "application/xml"},
        "a number as datacontenttype": {"datacontenttype": 1},
        "an update's field outside": {"coupon": "A"},
    }
    for name, given in members.items():
        yield Case(f"structured: {name}", event(**given), (STRUCTURED,))
    nulls = event(data="{" + LEAST + "}").replace(
        b'"id":"e-1"', b'"id":null,"time":null,"data_base64":null,"datacontenttype":null'
    )
    yield Case("structured: nulls", nulls, (STRUCTURED,))
    yield Case("structured: a name twice", event().replace(b'"type"', b'"source"'), (STRUCTURED,))
    yield Case(
        "structured: a name twice in an extension",
        event(x=0).replace(b'"x":0', b'"x":{"a":1,"a":2}'),
        (STRUCTURED,),
    )
    yield Case("structured: without its content type", event())
    yield Case("structured: headers say nothing", event(), (STRUCTURED, *binary("0.3", id="x")))
    deep = event(x=0).replace(b'"x":0', b'"x":' + b"[" * 127 + b"]" * 127)
    yield Case("structured: 128 deep", deep, (STRUCTURED,))
    yield Case("structured: 129 deep", deep.replace(b"[]", b"[[]]"), (STRUCTURED,))
    yield Case("structured: a batch", b"[" + event() + b"]", (STRUCTURED,))
    yield Case("structured: under a registry's id", FRAME + event(), (STRUCTURED,), kind="JSON")


def document(chosen: Case) -> Document:
    kinds = {} if chosen.kind is None else {FRAME: chosen.kind}
    formats = Formats(chosen.formats, kinds)
    entry = Entry(0, NOON, chosen.key, chosen.value, chosen.headers)
    result = expected([entry], None, formats=formats)
    snapshot = result.snapshots[0].value if result.snapshots else None
    avro = None if snapshot is None else encoded(read_update(entry, formats)[0])
    return {
        "name": chosen.name,
        "formats": list(chosen.formats),
        "registry": None if chosen.kind is None else {"id": NUMBER, "type": chosen.kind},
        "key": chosen.key.hex(),
        "headers": [[n, None if held is None else held.hex()] for n, held in chosen.headers],
        "value": chosen.value.hex(),
        "outcome": result.dead_letters[0].reason if snapshot is None else "accepted",
        "avro": None if avro is None else avro.hex(),
        "snapshot": None if snapshot is None else snapshot.hex(),
    }


def text() -> str:
    lines = ",\n".join(json.dumps(document(each)) for each in cases())
    return f"[\n{lines}\n]\n"
