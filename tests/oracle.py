"""What the output must be: docs/contract.md as one plain fold over the input log.

Written apart from `processor/` and importing nothing of it. Which session of a profile is its first
hangs on how partitions interleave, so that is read from what was observed, checked for
itself (`first_sessions`), and then taken as given. Of one partition alone it is decided here.
"""

import io
import json
import math
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form
from oracle_formats import Undecodable, update_of
from oracle_frames import other_frames
from oracle_json import is_json

SCHEMAS: Final = Path(__file__).parents[1] / "schemas"
SNAPSHOT_LIMIT: Final = 900_000
FOLLOWS: Final = {("open", "closed"), ("open", "cancelled"), ("closed", "cancelled")}
FIELDS: Final = (
    "profileId",
    "coupon",
    "referral",
    "cartItems",
    "identifiers",
    "total",
    "attributes",
    "discounts",
)
YEAR_10000: Final = 253_402_300_800_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

COMMAND_LISTS: Final = ("forget", "release")

Document = dict[str, Any]
First = Callable[[str, bytes, int], bool]
"""Whether a session is the first of a profile that it names at an input offset."""


class Formats(NamedTuple):
    """Which formats updates are read in."""

    names: Collection[str] = ("avro",)
    kinds: Mapping[bytes, str] = {}
    """Kinds of a registry's schemas, by the framing that names them."""


AVRO: Final = Formats()


class Entry(NamedTuple):
    """One record of the input log; `timestamp` in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Any = ()


class Snapshot(NamedTuple):
    """One record of the output: the session's key, its bytes, and its timestamp.

    That is the input record's, or the present time where that is more than an hour ahead of it.
    Of a session's end there are no bytes, and the headers that tell of it.
    """

    key: bytes
    value: bytes | None
    timestamp: int
    end: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, record: Any) -> "Snapshot":
        """Return a record of the output, as whoever reads it has it."""
        ends = () if record.value is not None else tuple(map(tuple, record.headers))
        return cls(record.key or b"", record.value, record.timestamp, ends)


def is_nobodys(record: Any) -> bool:
    """Whether a record of the output or the claims only follows others, and says nothing."""
    return record.key == b"0:" and record.value is None


class DeadLetter(NamedTuple):
    """One record of the dead letters: what was rejected (untouched) and why."""

    entry: Entry
    reason: str


@dataclass
class Expected:
    """What one partition's log comes to."""

    snapshots: list[Snapshot] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    duplicates: int = 0
    outcomes: dict[int, str] = field(default_factory=dict)
    """What became of each command that was not rejected, by its offset."""
    claims: dict[str, bytes] = field(default_factory=dict)
    """The holder of each profile, b"" where nobody is its first any more."""
    sessions: dict[bytes, Document] = field(default_factory=dict)


class Rejection(Exception):  # noqa: N818
    """The reason code is its only argument."""


# The bytes


def _plain(schema: Any) -> Any:
    """Without logical types, so that a timestamp is a long whatever its size."""
    if isinstance(schema, dict):
        return {name: _plain(part) for name, part in schema.items() if name != "logicalType"}
    return [_plain(part) for part in schema] if isinstance(schema, list) else schema


def _schema(path: Path) -> tuple[bytes, Any]:
    """Return the 10 bytes of its single-object framing, and the schema."""
    schema = json.loads(path.read_text())
    crc = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    return b"\xc3\x01" + bytes.fromhex(crc), fastavro.parse_schema(_plain(schema), {})


def frames(path: Path) -> list[bytes]:
    """Return all that may stand before a value of it: its own framing, then others'."""
    return [_schema(path)[0], *other_frames(json.loads(path.read_text()))]


_, READER = _schema(SCHEMAS / "SessionUpdate.avsc")
WRITERS = {
    frame: _schema(path)[1]
    for path in (SCHEMAS / "SessionUpdate.avsc", *SCHEMAS.glob("history/SessionUpdate*.avsc"))
    for frame in frames(path)
}
FRAME, SESSION = _schema(SCHEMAS / "CustomerSession.avsc")
COMMAND_FRAME, COMMAND = _schema(SCHEMAS / "SessionCommand.avsc")
COMMAND_FRAMES = frozenset(frames(SCHEMAS / "SessionCommand.avsc"))


class _Exact(io.BytesIO):
    """Refuses to end early, also where fastavro skips without looking."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if len(data) != size:
            raise EOFError
        return data


def decode_update(value: bytes | None) -> Document:
    try:
        stream = _Exact((value or b"")[10:])
        update = fastavro.schemaless_reader(stream, WRITERS[(value or b"")[:10]], READER)
    except Exception:  # noqa: BLE001  whatever it was, the bytes are not an update
        raise Rejection("undecodable") from None
    if len(stream.getvalue()) != stream.tell() or not isinstance(update, dict):
        raise Rejection("undecodable")
    return update


def read_update(entry: Entry, formats: Formats) -> tuple[Document, bool]:
    """Return a record's update, in any of the formats, and whether its event contradicts it."""
    try:
        found = update_of(entry.value or b"", entry.headers, READER, *formats)
    except Undecodable:
        raise Rejection("undecodable") from None
    return (decode_update(entry.value), False) if found is None else found


def is_command(entry: Entry) -> bool:
    return (entry.value or b"")[:10] in COMMAND_FRAMES


def decode_command(value: bytes) -> Document:
    try:
        stream = _Exact(value[10:])
        command = fastavro.schemaless_reader(stream, COMMAND, None)
    except Exception:  # noqa: BLE001  whatever it was, the bytes are not a command
        raise Rejection("undecodable") from None
    if len(stream.getvalue()) != stream.tell() or not isinstance(command, dict):
        raise Rejection("undecodable")
    return command


def encode_session(session: Document) -> bytes:
    out = io.BytesIO()
    out.write(FRAME)
    fastavro.schemaless_writer(out, SESSION, session)
    return out.getvalue()


def decode_session(value: bytes | None) -> Document:
    assert value is not None
    assert value[:10] == FRAME
    session = fastavro.schemaless_reader(io.BytesIO(value[10:]), SESSION, None)
    assert isinstance(session, dict)
    return session


def bits(value: Any) -> Any:
    """Return the value with each double as its 8 bytes, so that equal means equal."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return [(name, bits(part)) for name, part in value.items()]
    return [bits(part) for part in value] if isinstance(value, list) else value


# The rules, in their order


def _numbers(update: Document) -> list[float]:
    measures = ("price", "weight", "height", "width", "length", "position")
    numbers = [
        update["total"],
        *(update["discounts"] or {}).values(),
        *(item[name] for item in update["cartItems"] or () for name in measures),
    ]
    return [number for number in numbers if number is not None]


def _texts(update: Document) -> list[str]:
    maps = [update["attributes"], *(item["attributes"] for item in update["cartItems"] or ())]
    return [text for each in maps if each for text in each.values() if text is not None]


def _sum(items: list[Document]) -> float:
    total = 0.0
    for item in items:
        total = total + item["price"] * item["quantity"]
    millionths = total * 1e6
    return float(round(millionths)) / 1e6 if abs(millionths) < 2**53 else total


def check(update: Document) -> None:
    """Reject what rule 3 names; settle the total."""
    items = update["cartItems"] or []
    integers = [update["applicationId"], *(item["quantity"] for item in items)]
    valid = (
        update["eventId"]
        and update["integrationId"]
        and all(item["sku"] for item in items)
        and all(1 <= integer < 2**31 for integer in integers)
        and all(map(math.isfinite, _numbers(update)))
        and 0 <= update["eventTime"] < YEAR_10000
        and all(map(is_json, _texts(update)))
    )
    if valid and update["total"] is None and update["cartItems"] is not None:
        total = _sum(items)
        update["total"], valid = total, math.isfinite(total)
    if not valid:
        raise Rejection("invalid-value")
    if update["total"] == 0:
        update["total"] = 0.0


def check_command(command: Document) -> None:
    """Reject what rule 3 names."""
    expires = command["command"] == "expire"
    seen, lists = (
        [command[each] for each in names] for names in (("inputOffset", "state"), COMMAND_LISTS)
    )
    mine, others = (seen, lists) if expires else (lists, seen)
    valid = (
        0 < len(command["eventId"].encode()) <= 4096
        and command["integrationId"]
        and 1 <= command["applicationId"] < 2**31
        and 0 <= command["eventTime"] < YEAR_10000
        and None not in mine
        and others == [None, None]
    )
    if valid and expires:
        valid = command["inputOffset"] >= 0
    elif valid:
        forget, release = map(set, lists)
        valid = all(len(each) <= 100 for each in lists) and "" not in forget | release
        valid = valid and not forget & release
    if not valid:
        raise Rejection("invalid-value")


def fresh(update: Document) -> Document:
    """Return the session before its first update."""
    return {
        "integrationId": update["integrationId"],
        "created": update["eventTime"],
        "applicationId": update["applicationId"],
        "profileId": "",
        "coupon": "",
        "referral": "",
        "state": "open",
        "cartItems": [],
        "identifiers": [],
        "total": 0.0,
        "attributes": {},
        "firstSession": True,
        "discounts": {},
        "version": 0,
        "eventMemory": b"",
    }


def apply(
    before: Document, update: Document, offset: int, first: Callable[[str], bool]
) -> Document:
    """Return the session after an accepted update."""
    after = dict(before)
    for name in (*FIELDS, "state"):
        if update[name] is None:
            continue
        if name in ("attributes", "discounts"):
            merged = {**before[name], **update[name]}
            after[name] = {key: value for key, value in merged.items() if value is not None}
        else:
            after[name] = update[name]
    if update["profileId"] not in (None, before["profileId"]):
        after["firstSession"] = update["profileId"] == "" or first(update["profileId"])
    after["previousState"] = before["state"] if before["version"] else None
    after["version"] = before["version"] + 1
    after["updated"], after["lastEventId"] = update["eventTime"], update["eventId"]
    after["inputOffset"] = offset
    after["eventMemory"] = (before["eventMemory"] + _hash(update["eventId"]))[-16 * 8 :]
    return after


def _hash(event_id: str) -> bytes:
    return blake2b(event_id.encode(), digest_size=8).digest()


def _remembers(session: Document, event_id: str) -> bool:
    memory = session["eventMemory"]
    return _hash(event_id) in [memory[at : at + 8] for at in range(0, len(memory), 8)]


def expected(
    log: Iterable[Entry],
    firsts: Mapping[str, bytes] | First | None,
    limit: int = SNAPSHOT_LIMIT,
    before: Expected | None = None,
    formats: Formats = AVRO,
) -> Expected:
    """Return what one partition's log comes to, given the key of each profile's first session.

    That is decided by this log alone where None is given. With `before`, the log goes on from what
    that has, and adds to it. Timestamps are the input records': see `timed`.
    """
    result = Expected() if before is None else before
    first = _first(result, firsts)
    for entry in log:
        try:
            if is_command(entry):
                _obey(result, entry, decode_command(entry.value or b""))
                continue
            update, contradicted = read_update(entry, formats)
            key = f"{update['applicationId']}:{update['integrationId']}".encode()
            if entry.key != key:
                raise Rejection("key-mismatch")  # noqa: TRY301
            if contradicted:
                raise Rejection("invalid-value")  # noqa: TRY301
            check(update)
            after = _decide(result, key, update, entry.offset, first)
            if after is None:
                result.duplicates += 1
                continue
            value = encode_session(after)
            if len(value) > limit:
                raise Rejection("too-large")  # noqa: TRY301
        except Rejection as rejection:
            result.dead_letters.append(DeadLetter(entry, str(rejection)))
            continue
        if after["firstSession"] and after["profileId"]:
            result.claims.setdefault(f"{after['applicationId']}:{after['profileId']}", key)
        result.sessions[key] = after
        result.snapshots.append(Snapshot(key, value, entry.timestamp))
    return result


def timed(due: Iterable[Snapshot], told: Iterable[Snapshot], *clocks: int) -> list[Snapshot]:
    """Return what is due, with the timestamps that it may have.

    A record's that is more than an hour ahead of the present time is replaced by that. It is told
    by what was published within the last day by any of the clocks, whose times are given.
    """
    times = [each.timestamp for each in told]
    found = []
    for place, each in enumerate(due):
        at, asked = times[place] if place < len(times) else -1, each.timestamp
        if any(now - DAY_MS <= at <= now and asked > at + HOUR_MS for now in clocks):
            asked = at
        elif all(asked > now + HOUR_MS for now in clocks):
            asked = clocks[0]
        found.append(each._replace(timestamp=asked))
    return found


def _first(result: Expected, firsts: Mapping[str, bytes] | First | None) -> First:
    if firsts is None:
        return lambda profile, key, _offset: result.claims.get(profile, key) == key
    if callable(firsts):
        return firsts
    return lambda profile, key, _offset: firsts.get(profile) == key


def _obey(result: Expected, entry: Entry, command: Document) -> None:
    """Do what a command says."""
    key = f"{command['applicationId']}:{command['integrationId']}".encode()
    if entry.key != key:
        raise Rejection("key-mismatch")
    check_command(command)
    name, session = command["command"], result.sessions.get(key)
    ends = session is not None and (
        name == "erase"
        or (session["inputOffset"], session["state"]) == (command["inputOffset"], command["state"])
    )
    changed = False
    for each in COMMAND_LISTS:
        for profile in command[each] or ():
            place = f"{command['applicationId']}:{profile}"
            if result.claims.get(place) in (key, b""):
                changed = True
                if each == "forget":
                    del result.claims[place]
                else:
                    result.claims[place] = b""
    result.outcomes[entry.offset] = "ended" if ends or changed else "passed-over"
    if ends and session is not None:
        headers = {
            "ended-by": name,
            "input-offset": entry.offset,
            "event-id": command["eventId"],
            "version": session["version"],
        }
        end = tuple(
            (f"session-processor.{each}", str(value).encode()) for each, value in headers.items()
        )
        del result.sessions[key]
        result.snapshots.append(Snapshot(key, None, entry.timestamp, end))


def _decide(
    result: Expected, key: bytes, update: Document, offset: int, first: First
) -> Document | None:
    """Return the session after rules 4 to 7, None for a duplicate."""
    before, named = result.sessions.get(key), update["state"]
    if before is None:
        if named not in (None, "open"):
            raise Rejection("unknown-session")
        before = fresh(update)
    elif _remembers(before, update["eventId"]):
        return None
    elif named not in (None, before["state"]) and (before["state"], named) not in FOLLOWS:
        raise Rejection("transition-not-allowed")
    elif before["state"] != "open" and any(update[name] is not None for name in FIELDS):
        raise Rejection("session-not-open")
    return apply(
        before,
        update,
        offset,
        lambda profile: first(f"{update['applicationId']}:{profile}", key, offset),
    )
