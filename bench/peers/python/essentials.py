"""The fold in its essentials, with fastavro: what the peers in Python share.

Duplicates, transitions, merge, total and the reasons of dead letters. Profile claims and the checks
of values are left out, which favours the peers.
"""

import json
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

Headers = list[tuple[str, str | bytes | None]]

_SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"
_HEADER = 10
_REMEMBERED = 16
_WIDTH = 8
_EXACT = 2.0**53
_MAY_FOLLOW = {"open": ("closed", "cancelled"), "closed": ("cancelled",), "cancelled": ()}
_REPLACED = ("profileId", "coupon", "referral", "cartItems", "identifiers", "total")
_FIELDS = (*_REPLACED, "attributes", "discounts")
_CAUSED_BY_BYTES = (EOFError, LookupError, TypeError, ValueError)


def _schema(name: str) -> tuple[Any, bytes]:
    """Return the schema with timestamps as plain longs, and what stands before its values."""
    schema = json.loads((_SCHEMAS / f"{name}.avsc").read_text())
    header = b"\xc3\x01" + bytes.fromhex(
        fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    )
    for field in schema["fields"]:
        if isinstance(field["type"], dict):
            field["type"].pop("logicalType", None)
    return parse_schema(schema), header


_UPDATE, _UPDATE_HEADER = _schema("SessionUpdate")
_SNAPSHOT, _SNAPSHOT_HEADER = _schema("CustomerSession")


def fold(known: bytes | None, value: bytes | None, offset: int) -> bytes | str | None:
    """Return the snapshot after an update, the reason of a rejected one, None for a duplicate."""
    update = _read(value)
    if update is None:
        return "undecodable"
    event = blake2b(update["eventId"].encode(), digest_size=_WIDTH).digest()
    if known is None:
        if update["state"] not in {None, "open"}:
            return "unknown-session"
        session = _unborn(update)
    else:
        session = schemaless_reader(BytesIO(known[_HEADER:]), _SNAPSHOT, None)  # type: ignore[assignment]
        if _remembers(session["eventMemory"], event):
            return None
        reason = _refused(session, update)
        if reason is not None:
            return reason
        session["previousState"] = session["state"]
    _merge(session, update)
    session["version"] += 1
    session["updated"] = update["eventTime"]
    session["lastEventId"] = update["eventId"]
    session["inputOffset"] = offset
    session["eventMemory"] = session["eventMemory"][-_WIDTH * (_REMEMBERED - 1) :] + event
    out = BytesIO()
    out.write(_SNAPSHOT_HEADER)
    schemaless_writer(out, _SNAPSHOT, session)
    return out.getvalue()


def letter_headers(reason: str, topic: str, partition: int, offset: int) -> Headers:
    """Return what a dead letter says of its update."""
    return [
        ("__streams.errors.exception", reason),
        ("__streams.errors.topic", topic),
        ("__streams.errors.partition", str(partition)),
        ("__streams.errors.offset", str(offset)),
    ]


def _read(value: bytes | None) -> dict[str, Any] | None:
    """Return the update, None for what is not one of the present schema."""
    if value is None or not value.startswith(_UPDATE_HEADER):
        return None
    try:
        return schemaless_reader(BytesIO(value[_HEADER:]), _UPDATE, None)  # type: ignore[return-value]
    except _CAUSED_BY_BYTES:
        return None


def _remembers(memory: bytes, event: bytes) -> bool:
    return any(memory[at : at + _WIDTH] == event for at in range(0, len(memory), _WIDTH))


def _refused(session: dict[str, Any], update: dict[str, Any]) -> str | None:
    state, now = update["state"], session["state"]
    if state is not None and state != now and state not in _MAY_FOLLOW[now]:
        return "transition-not-allowed"
    if now != "open" and any(update[name] is not None for name in _FIELDS):
        return "session-not-open"
    return None


def _merge(session: dict[str, Any], update: dict[str, Any]) -> None:
    for name in (*_REPLACED, "state"):
        if update[name] is not None:
            session[name] = update[name]
    if update["cartItems"] is not None and update["total"] is None:
        total = 0.0
        for item in update["cartItems"]:
            total += item["price"] * item["quantity"]
        micros = total * 1e6
        session["total"] = (round(micros) / 1e6 if abs(micros) < _EXACT else total) + 0.0
    for name in ("attributes", "discounts"):
        for key, value in (update[name] or {}).items():
            if value is None:
                session[name].pop(key, None)
            else:
                session[name][key] = value


def _unborn(update: dict[str, Any]) -> dict[str, Any]:
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
        "previousState": None,
        "version": 0,
        "eventMemory": b"",
    }
