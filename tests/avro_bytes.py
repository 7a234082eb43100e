"""Bytes for tests of the codec: varints by hand, and records of any schema."""

import json
import random
import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_writer
from values import accepted, an_item, an_update

from processor.avro.choice import chosen
from processor.avro.codec import CommandCodec, SnapshotCodec, UpdateCodec
from processor.avro.compiled import Bounds, Compiled, EncodedUpdate, FoldedUpdates
from processor.avro.framing import SchemaIds, single_object
from processor.avro.schemas import Known, Schema, load_schemas, read_schema
from processor.core.command import SessionCommand
from processor.core.fold import fold
from processor.core.outcome import Rejected
from processor.core.session import Session
from processor.core.update import SessionUpdate
from processor.formats.names import AVRO_ALONE, split
from processor.formats.updates import Updates
from processor.ports.log import Record
from processor.stages.batch import Decoded
from processor.stages.decode import Decode
from processor.stages.encode import Encode
from processor.stages.fold import FOLD_LIMIT, Fold

SCHEMAS = load_schemas()
SNAPSHOTS = SnapshotCodec(SCHEMAS.snapshots)
COMMANDS = CommandCodec(SCHEMAS.commands)
HEADER = single_object(SCHEMAS.updates.reader.fingerprint)
KEY = b"7:visit"
FAST = chosen("auto", SCHEMAS).compiled
"""The compiled codec, None where it is not installed: then tests of it are skipped."""
needs_compiled = pytest.mark.skipif(FAST is None, reason="the compiled codec is not installed")
BOUNDS = Bounds(SNAPSHOTS.header, 900_000, FOLD_LIMIT)
CODECS = [
    pytest.param(None, id="fastavro"),
    pytest.param(FAST, id="compiled", marks=needs_compiled),
]


def decode_and_fold(
    compiled: Compiled | None,
    max_snapshot: int,
    *,
    limit: int = FOLD_LIMIT,
    ids: SchemaIds | None = None,
    formats: str = AVRO_ALONE,
    session_of: Callable[[bytes], Session] = SNAPSHOTS.read,
) -> tuple[Decode, Fold]:
    """Return the two stages as the service has them."""
    decode = Decode(Updates(UpdateCodec(SCHEMAS.updates, ids), split(formats)), COMMANDS, compiled)
    bounds = Bounds(SNAPSHOTS.header, max_snapshot, limit)
    return decode, fold_with(decode, bounds, compiled, session_of=session_of)


def fold_with(
    decode: Decode,
    bounds: Bounds = BOUNDS,
    compiled: Compiled | None = None,
    *,
    session_of: Callable[[bytes], Session] = SNAPSHOTS.read,
) -> Fold:
    """Return the stage behind decode."""
    return Fold(
        update_of=decode.update,
        session_of=session_of,
        encode=Encode(SNAPSHOTS),
        bounds=bounds,
        compiled=compiled,
    )


def first_snapshot(update: Decoded) -> bytes:
    """Return what a valid update makes of no session."""
    assert not isinstance(update, Rejected | SessionCommand), update
    if isinstance(update, SessionUpdate):
        return SNAPSHOTS.write(accepted(fold(None, update, None)))
    made = folded(update, None)
    assert made is not None
    return made[0]


def folded(
    update: EncodedUpdate,
    before: bytes | None,
    holder: str | None = None,
    header: bytes = SNAPSHOTS.header,
) -> tuple[bytes, bool] | None:
    """Return the snapshot that the compiled codec makes, and whether that claims the profile.

    Of a duplicate it is empty; None where the update is left to the core.
    """
    assert FAST is not None
    done = FoldedUpdates()
    holders = {update.profile: holder} if holder is not None and update.profile else {}
    pairs = iter([(Record(0, 0, 0, KEY, None, ()), update)])
    bounds = Bounds(header, sys.maxsize, sys.maxsize)
    if FAST.fold(pairs, {0: {KEY: before}}, holders, done, bounds) is not None:
        return None
    return (done.snapshots[0] or b"", bool(done.claims)) if done.snapshots else (b"", False)


def varint(number: int) -> bytes:
    """Return a long as Avro writes it: zigzag, then 7 bits a byte."""
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def text(value: str) -> bytes:
    encoded = value.encode()
    return varint(len(encoded)) + encoded


def required(application_id: int = 7, integration_id: str = "visit") -> bytes:
    """Return the header and the four fields that every update has."""
    return (
        HEADER
        + text("e-1")
        + varint(1_700_000_000_000)
        + varint(application_id)
        + text(integration_id)
    )


OPTIONAL = tuple(field["name"] for field in json.loads(SCHEMAS.updates.reader.text)["fields"][4:])
NULLS = bytes(len(OPTIONAL))
"""What is behind those four where no other field is present."""


def nulls_before(field: str) -> bytes:
    """Return the nulls before an optional field of an update."""
    return NULLS[: OPTIONAL.index(field)]


def nulls_behind(field: str) -> bytes:
    """Return the nulls behind an optional field of an update."""
    return NULLS[OPTIONAL.index(field) + 1 :]


def written(schema: Schema, datum: dict[str, Any]) -> bytes:
    """Return the datum in single-object encoding under any schema."""
    out = BytesIO()
    out.write(single_object(schema.fingerprint))
    schemaless_writer(out, schema.parsed, datum)
    return out.getvalue()


def changed(known: Known, *more: dict[str, Any], **types: Any) -> Schema:
    """Return the reader's schema with more fields, and with other types of those it has."""
    document = json.loads(known.reader.text)
    for field in document["fields"]:
        field["type"] = types.get(field["name"], field["type"])
    document["fields"] += more
    return read_schema(json.dumps(document))


def with_writer(known: Known, schema: Schema) -> Known:
    """Return what is known with one more writer."""
    return known._replace(writers={**known.writers, schema.fingerprint: schema})


HUGE = 2**60
ITEM_FIELDS = nulls_before("cartItems") + varint(1)
IDENTIFIERS = nulls_before("identifiers") + varint(1)
ATTRIBUTES = nulls_before("attributes") + varint(1)
DISCOUNTS = nulls_before("discounts") + varint(1)
STATE = required() + nulls_before("state") + varint(1)
HOSTILE = {
    "a string of 2^60 bytes": HEADER + varint(HUGE) + b"abc",
    "a string of -1 bytes": HEADER + varint(-1) + b"abc",
    "a string of -2^63 bytes": HEADER + varint(-(2**63)) + b"abc",
    "a string that is not UTF-8": HEADER + varint(1) + b"\xff" + (required() + NULLS)[14:],
    "a surrogate in UTF-8": HEADER + varint(3) + b"\xed\xa0\x80" + (required() + NULLS)[14:],
    "a varint that does not end": HEADER + b"\xff" * 100_000,
    "a varint cut off": HEADER + b"\x80",
    "a union's index beyond it": required() + varint(2) + NULLS[1:],
    "a union's index of -3": required() + varint(-3) + NULLS[1:],
    "a union's index of 2^60": required() + varint(HUGE) + NULLS[1:],
    "an enum's index beyond it": STATE + varint(3) + nulls_behind("state"),
    "an enum's index of -4": STATE + varint(-4) + nulls_behind("state"),
    "2^60 items": required() + ITEM_FIELDS + varint(HUGE) + bytes(100),
    "-2^60 items": required() + ITEM_FIELDS + varint(-HUGE) + bytes(100),
    "-2^63 items": required() + ITEM_FIELDS + varint(-(2**63)) + bytes(2),
    "2^60 identifiers": required() + IDENTIFIERS + varint(HUGE) + bytes(100),
    "-2^60 identifiers": required() + IDENTIFIERS + varint(-HUGE) + varint(HUGE) + bytes(100),
    "2^60 attributes": required() + ATTRIBUTES + varint(HUGE) + bytes(100),
    "2^60 discounts": required() + DISCOUNTS + varint(HUGE) + bytes(100),
    "a double cut off": required() + nulls_before("total") + varint(1) + b"1234567",
}


def mutated(value: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to four small damages: flips, cuts, repeats, hostile varints."""
    out = bytearray(value)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(out) + 1)
        end = min(len(out), start + chance.randint(0, 9))
        number = chance.choice([-(2**63), -HUGE, -2, -1, 0, 1, 2, 3, 2**31, HUGE, 2**63 - 1])
        out[start:end] = chance.choice(
            [b"", chance.randbytes(end - start), out[start:end] * 2, varint(number)]
        )
    return bytes(out)


FULL = an_update(
    profile_id="p",
    coupon="A",
    referral="friend",
    state="open",
    cart_items=[an_item(category="mugs", weight=0.5, attributes={"a": "[1]"}), an_item()],
    identifiers=["device", "é"],
    total=12.5,
    attributes={"page": '"/cart"', "gone": None},
    discounts={"A": 1.5, "gone": None},
)
