"""The golden vectors of `contract/`, made by the oracle; run as a program, it writes them anew.

Each case is one partition's log from its beginning. Offsets have a gap here and there, as the
markers of transactions make.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import dictionary
import fastavro
import golden_formats
import json_schema
from oracle import (
    COMMAND,
    COMMAND_FRAME,
    READER,
    SCHEMAS,
    WRITERS,
    Document,
    Entry,
    Expected,
    decode_session,
    expected,
    frames,
)
from oracle import _schema as framed

CONTRACT: Final = Path(__file__).parents[1] / "contract"
LIMIT: Final = 900_000
NOON: Final = 1_767_268_800_000
OPTIONAL: Final = tuple(each["name"] for each in READER["fields"] if "default" in each)
COMMANDS: Final = SCHEMAS / "SessionCommand.avsc"
UPDATE_FRAME: Final = framed(SCHEMAS / "SessionUpdate.avsc")[0]


class Sent(NamedTuple):
    """One record of a case: the fields it was made of, or None where the bytes say all."""

    key: bytes
    value: bytes | None
    update: Document | None
    command: Document | None = None


class Case(NamedTuple):
    name: str
    about: str
    records: list[Sent]
    limit: int = LIMIT


def update(number: int, visit: str = "cart-17", **fields: Any) -> Document:
    """Return update `e-<number>` of a session, a second after the one before."""
    assert fields.keys() <= {*OPTIONAL, "applicationId", "eventId", "eventTime"}, fields
    return {
        "eventId": f"e-{number}",
        "eventTime": NOON + 1000 * number,
        "applicationId": 1,
        "integrationId": visit,
        **dict.fromkeys(OPTIONAL),
        **fields,
    }


def item(**fields: Any) -> Document:
    measures = dict.fromkeys(("category", "weight", "height", "width", "length", "position"))
    return {"name": "Mug", "sku": "MUG", "quantity": 1, "price": 9.5, **measures, **fields}


def encoded(document: Document, frame: bytes = UPDATE_FRAME) -> bytes:
    out = io.BytesIO(frame)
    out.seek(0, 2)
    fastavro.schemaless_writer(out, WRITERS[frame], document)
    return out.getvalue()


def sent(document: Document, *, key: str = "", cut: int = 0, more: bytes = b"") -> Sent:
    """Return the record of an update; with `cut` or `more` its bytes are no longer its own."""
    value = encoded(document)
    value = value[: len(value) - cut] + more
    own = f"{document['applicationId']}:{document['integrationId']}"
    return Sent((key or own).encode(), value, None if cut or more else document)


def raw(value: bytes | None) -> Sent:
    return Sent(b"1:cart-17", value, None)


def case(name: str, about: str, *documents: Document, limit: int = LIMIT) -> Case:
    return Case(name, about, [sent(each) for each in documents], limit)


def cases() -> Iterator[Case]:
    yield from _accepted()
    yield from _values()
    yield from _rejected()
    yield from _unreadable()
    yield from _commanded()
    yield from _foreign()


def _accepted() -> Iterator[Case]:
    yield case("first", "Any update that names no state but open begins a session.", update(1))
    yield case(
        "life",
        "open, closed, cancelled; naming the state that it is in is no transition.",
        update(1, state="open"),
        update(2, state="open"),
        update(3, state="closed"),
        update(4, state="closed"),
        update(5, state="cancelled"),
        update(6, state="cancelled"),
    )
    yield case("cancel", "open, cancelled.", update(1), update(2, state="cancelled"))
    yield case(
        "fields-and-state",
        "Fields and the closing state in one update.",
        update(1),
        update(2, state="closed", coupon="TEN", total=12.25),
    )
    yield case(
        "duplicate",
        "An event id that is remembered is passed over, whatever else the update says.",
        update(1, coupon="A"),
        update(2),
        update(1, coupon="B"),
        update(3),
    )
    yield case(
        "memory",
        "The last 16 accepted event ids are remembered, so the first of 17 is new again.",
        *(update(number) for number in range(1, 18)),
        update(2),
        update(1),
    )
    yield case(
        "first-session",
        "The first session of a profile keeps it; an anonymous one is a first session.",
        update(1, "a", profileId="ann"),
        update(2, "b", profileId="ann"),
        update(3, "b", profileId=""),
        update(4, "a", profileId="bob"),
        update(5, "b", profileId="bob"),
        update(6, "a", profileId="ann"),
        update(7, "a"),
    )
    old = {**update(1, coupon="OLD"), "total": 4.0}
    history = framed(SCHEMAS / "history" / "SessionUpdate.1.avsc")[0]
    yield Case(
        "older-schema",
        "Written with schemas/history/SessionUpdate.1.avsc and resolved to the present schema.",
        [Sent(b"1:cart-17", encoded(old, history), None)],
    )


def _values() -> Iterator[Case]:
    yield case(
        "replace",
        "null leaves a field, a value replaces it, an empty one clears it.",
        update(1, profileId="p", coupon="C", referral="R", identifiers=["x"], total=1.5),
        update(2),
        update(3, coupon="D", identifiers=["y", "z"]),
        update(4, profileId="", coupon="", referral="", identifiers=[], total=0.0),
    )
    yield case(
        "merge",
        "attributes and discounts merge by key; null removes one.",
        update(1, attributes={"a": "1", "b": '"x"'}, discounts={"ten": 0.1, "vip": 5.0}),
        update(2, attributes={}, discounts={}),
        update(3, attributes={"b": None, "c": "[1, {}]"}, discounts={"ten": None, "new": -0.0}),
    )
    yield case(
        "json-texts",
        "One text of RFC 8259 each, kept letter by letter.",
        update(1, attributes={"big": "1e999", "half": '"\\ud800"', "twice": '{"a":1,"a":2}'}),
        update(2, attributes={"deep": "[" * 64 + "]" * 64, "space": " null "}),
    )
    yield case(
        "cart",
        "Every field of a cart's line; the whole cart is replaced.",
        update(1, cartItems=[item(category="cups", weight=0.3, attributes={"gift": "true"})]),
        update(2, cartItems=[item(quantity=2**31 - 1, height=1.0, width=2.0, length=3.0)]),
        update(3, cartItems=[item(sku="B", position=1.0), item(sku="C", quantity=2)]),
        update(4, cartItems=[]),
    )
    yield case(
        "sums",
        "Added in item order, rounded to millionths below 2⁵³ of them; a given total stands.",
        update(1, cartItems=[item(price=0.1)] * 3),
        update(2, cartItems=[item(price=1e12, quantity=3), item(price=0.1)]),
        update(3, cartItems=[item(price=0.0000005), item(price=0.000001)]),
        update(4, cartItems=[item(price=-0.0)]),
        update(5, cartItems=[item()], total=-0.0),
        update(6, total=0.1 + 0.2),
        update(7, cartItems=[item(price=1e308, quantity=2)], total=1.0),
    )


def _rejected() -> Iterator[Case]:
    yield Case(
        "key-mismatch",
        "The key is not {applicationId}:{integrationId}.",
        [sent(update(1), key=key) for key in ("1:cart-18", "01:cart-17", "1:cart-17 ")],
    )
    wrong: list[dict[str, Any]] = [
        {"eventId": ""},
        {"applicationId": 0},
        {"eventTime": -1},
        {"eventTime": 253_402_300_800_000},
        {"cartItems": [item(sku="")]},
        {"cartItems": [item(quantity=0)]},
        {"cartItems": [item(price=float("nan"))]},
        {"total": float("inf")},
        {"discounts": {"x": float("-inf")}},
        {"cartItems": [item(price=1e308, quantity=2)]},
        {"attributes": {"a": "NaN"}},
        {"attributes": {"a": "\ufeff1"}},
        {"attributes": {"a": "[" * 65 + "]" * 65}},
        {"cartItems": [item(attributes={"a": "{'a': 1}"})]},
    ]
    yield Case(
        "invalid-value",
        "Each value that no update may have.",
        [sent(update(1, **fields)) for fields in wrong] + [sent(update(1, visit=""))],
    )
    yield case(
        "unknown-session",
        "A session begins in open.",
        update(1, state="closed"),
        update(2, state="cancelled"),
    )
    yield case(
        "transition-not-allowed",
        "Nothing follows cancelled, and open follows nothing; the session stays as it is.",
        update(1, state="open"),
        update(2, state="closed"),
        update(3, state="open"),
        update(4, state="cancelled"),
        update(5, state="closed"),
        update(6, state="open"),
    )
    emptied: list[dict[str, Any]] = [
        {"coupon": ""},
        {"cartItems": []},
        {"attributes": {}},
        {"total": 0.0},
    ]
    yield case(
        "session-not-open",
        "A closed session takes no field, not even an empty one.",
        update(1),
        update(2, state="closed"),
        *(update(3 + at, **fields) for at, fields in enumerate(emptied)),
        update(9, state="cancelled", referral="r"),
        update(10),
    )
    yield case(
        "too-large",
        "The snapshot, framing included, passes maxSnapshotBytes; the session stays as it is.",
        update(1),
        update(2, coupon="x" * 100),
        update(3, coupon="y"),
        limit=160,
    )


def _unreadable() -> Iterator[Case]:
    whole = encoded(update(1))
    yield Case(
        "undecodable",
        "No value; no known framing; an unknown schema; bytes missing, left over or wrong.",
        [
            raw(None),
            raw(b""),
            raw(b"{}"),
            raw(b"\xc3\x01"),
            raw(b"\xc3\x01" + bytes(8) + whole[10:]),
            raw(b"\x00\x00\x00\x00\x01" + whole[10:]),
            sent(update(1), cut=1),
            sent(update(1), more=b"\x00"),
            raw(whole[:10] + b"\xff" * 12),
            raw(whole[:10] + b"\x02\xff" + whole[12:]),
        ],
    )


def command(number: int, name: str, visit: str = "cart-17", **fields: Any) -> Document:
    """Return command `c-<number>` of a session."""
    absent = dict.fromkeys(("inputOffset", "state", "forget", "release"))
    assert fields.keys() <= {*absent, "applicationId", "eventId", "eventTime"}, fields
    return {
        "eventId": f"c-{number}",
        "eventTime": NOON + 1000 * number,
        "applicationId": 1,
        "integrationId": visit,
        "command": name,
        **absent,
        **fields,
    }


def told(
    document: Document, *, key: str = "", more: bytes = b"", frame: bytes = COMMAND_FRAME
) -> Sent:
    """Return the record of a command; with `more` its bytes are no longer its own."""
    out = io.BytesIO(frame)
    out.seek(0, 2)
    fastavro.schemaless_writer(out, COMMAND, document)
    own = f"{document['applicationId']}:{document['integrationId']}"
    command = None if more else document
    return Sent((key or own).encode(), out.getvalue() + more, None, command)


def expire(number: int, offset: int, state: str = "open", **fields: Any) -> Document:
    return command(number, "expire", inputOffset=offset, state=state, **fields)


def erase(number: int, visit: str = "cart-17", **fields: Any) -> Document:
    return command(number, "erase", visit, **{"forget": [], "release": [], **fields})


def _commanded() -> Iterator[Case]:
    yield Case(
        "expire",
        "The pair that the sender saw ends the session; the next update begins a new one, also a "
        "former one that is sent again.",
        [
            sent(update(1, coupon="A")),
            sent(update(2)),
            told(expire(1, 0)),
            told(expire(2, 1, "closed")),
            told(expire(3, 1)),
            told(expire(4, 1)),
            sent(update(1, coupon="A")),
            sent(update(3, state="closed")),
            told(expire(5, 9, "closed")),
        ],
    )
    yield Case(
        "erase",
        "The session ends however it stands; a forgotten profile may have another first session, "
        "a released one has none any more.",
        [
            sent(update(1, profileId="ada")),
            sent(update(2, profileId="bob", state="closed")),
            told(erase(1, forget=["ada"], release=["bob", "eve"])),
            sent(update(3, "cart-18", profileId="ada")),
            sent(update(4, "cart-19", profileId="bob")),
            told(erase(2, forget=["ada"])),
            told(erase(3, forget=["bob"])),
            sent(update(5, "cart-20", profileId="bob")),
            sent(update(6, profileId="ada")),
        ],
    )
    yield Case(
        "command-invalid",
        "Rules 1 to 3 as for an update; a command has its own fields and no other's.",
        [
            sent(update(1)),
            told(expire(1, 0), more=b"\x00"),
            told(expire(1, 0), key="1:cart-18"),
            told(expire(1, 0, eventId="")),
            told(expire(1, 0, eventId="é" * 2048 + "e")),
            told(expire(1, 0, eventTime=-1)),
            told(expire(1, 0, applicationId=0)),
            told(expire(1, -1)),
            told(expire(1, 0, forget=[])),
            told(expire(1, 0, release=[])),
            told(command(1, "expire", inputOffset=0)),
            told(command(1, "expire", state="open")),
            told(command(1, "erase", forget=[])),
            told(command(1, "erase", release=[])),
            told(erase(1, state="open")),
            told(erase(1, inputOffset=0)),
            told(erase(1, forget=[""])),
            told(erase(1, release=["a", ""])),
            told(erase(1, forget=["a"], release=["a"])),
            told(erase(1, forget=[str(each) for each in range(101)])),
            told(erase(1, "")),
            sent(update(2)),
        ],
    )


def _foreign() -> Iterator[Case]:
    """Updates and commands as other libraries frame them."""
    turns = [*zip(frames(SCHEMAS / "SessionUpdate.avsc"), frames(COMMANDS), strict=True)]
    records = []
    for number, (frame, commands) in enumerate(turns):
        document = update(number, coupon=f"C{number}")
        records.append(Sent(b"1:cart-17", encoded(document, frame), document))
        records.append(told(erase(number), frame=commands))
    yield Case(
        "other-fingerprints",
        "Single-object encoding under the fingerprints that other libraries compute of the same "
        "schema, in both byte orders: each update is accepted, each command ends its session.",
        records,
    )


def log_of(chosen: Case) -> list[Entry]:
    """Return the case's records as the processor meets them."""
    return [
        Entry(at + at // 3, NOON + at, each.key, each.value)
        for at, each in enumerate(chosen.records)
    ]


def outcomes(log: list[Entry], result: Expected) -> Iterator[tuple[str, bytes | None]]:
    """Yield what each record comes to: accepted with its snapshot, another outcome, the reason."""
    rejected = {letter.entry.offset: letter.reason for letter in result.dead_letters}
    published = {
        decode_session(each.value)["inputOffset"]: each.value
        for each in result.snapshots
        if each.value is not None
    }
    for entry in log:
        if entry.offset in published:
            yield "accepted", published[entry.offset]
        elif entry.offset in rejected:
            yield rejected[entry.offset], None
        else:
            yield result.outcomes.get(entry.offset, "duplicate"), None


def document(chosen: Case) -> Document:
    log = log_of(chosen)
    result = expected(log, None, chosen.limit)
    rows = zip(chosen.records, log, outcomes(log, result), strict=True)
    return {
        "name": chosen.name,
        "about": chosen.about,
        "maxSnapshotBytes": chosen.limit,
        "records": [
            {
                "offset": entry.offset,
                "key": each.key.hex(),
                "value": None if each.value is None else each.value.hex(),
                "update": _finite(each.update),
                **({} if each.command is None else {"command": each.command}),
                "outcome": outcome,
                "snapshot": None if snapshot is None else snapshot.hex(),
                "session": None if snapshot is None else _readable(decode_session(snapshot)),
                **_end(entry.offset, result),
            }
            for each, entry, (outcome, snapshot) in rows
        ],
    }


def _end(offset: int, result: Expected) -> Document:
    """Return the headers of the tombstone that a command made, if it made one."""
    for each in result.snapshots:
        headers = dict(each.end)
        if headers.get("session-processor.input-offset") == str(offset).encode():
            return {"tombstone": {name: value.decode() for name, value in headers.items()}}
    return {}


def _readable(session: Document) -> Document:
    return {**session, "eventMemory": session["eventMemory"].hex()}


def _finite(value: Any) -> Any:
    """Return the update, None where JSON cannot say a number: the bytes say it then."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return None
    return value


def others(path: Path) -> list[str]:
    return [each.hex() for each in frames(path)[1:]]


def schemas() -> dict[str, Document]:
    """Return each schema's file and the ten bytes before a value of it, also others'."""
    files = [*SCHEMAS.glob("*.avsc"), *SCHEMAS.glob("history/*.avsc")]
    return {
        path.relative_to(SCHEMAS.parent).as_posix(): {
            "record": json.loads(path.read_text())["name"],
            "prefix": framed(path)[0].hex(),
        }
        | ({} if path.stem == "CustomerSession" else {"others": others(path)})
        for path in sorted(files)
    }


def framings() -> list[Document]:
    """Return one update under a registry's number and GUID, before the value and in a header."""
    whole = encoded(update(1))
    datum = whole[len(UPDATE_FRAME) :]
    number, guid = 258, UUID(int=0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF)
    named = (
        ("id", number, b"\x00" + number.to_bytes(4, "big")),
        ("guid", str(guid), b"\x01" + guid.bytes),
    )
    return [
        {
            "name": f"{kind} in {place}",
            "registry": {kind: what},
            "value": (datum if place == "a header" else frame + datum).hex(),
            "headers": {"__value_schema_id": frame.hex()} if place == "a header" else {},
            "singleObject": whole.hex(),
        }
        for kind, what, frame in named
        for place in ("the value", "a header")
    ]


def texts() -> dict[str, str]:
    """Return the content of each file that is made here, by its name as `contract/` sees it."""
    lines = ",\n".join(json.dumps(document(each), ensure_ascii=False) for each in cases())
    return {
        "vectors.json": f"[\n{lines}\n]\n",
        "schemas.json": json.dumps(schemas(), indent=2) + "\n",
        "framings.json": json.dumps(framings(), indent=2) + "\n",
        "formats.json": golden_formats.text(),
        "../schemas/SessionUpdate.schema.json": json_schema.text(),
        "../docs/dictionary.md": dictionary.text(),
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (CONTRACT / name).write_text(text, "utf-8")
