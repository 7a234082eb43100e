"""A dead letter's message tells its sender what came, and what was wrong with it."""

import base64
import json
import re
from typing import Any

import pytest
from avro.test_decode import PLAIN, UPDATES, decode, record
from avro_bytes import COMMANDS, KEY
from values import a_session, an_item, an_update

from processor.cli.dead_letters.reading import LetterReader
from processor.config import Settings
from processor.core.fold import fold
from processor.core.outcome import Reason, Rejected
from processor.dead_letters.letter import in_short
from processor.formats.updates import Updates
from processor.ports.log import Headers, Record
from processor.stages.decode import Decode

BARE = PLAIN[10:]
JSON = b'{"eventId": "e"}'
JSON_UPDATE = b'{"eventId":"e","eventTime":1,"applicationId":1,"integrationId":"a"}'


def rejected(outcome: object, reason: Reason) -> str:
    assert isinstance(outcome, Rejected), outcome
    assert outcome.reason is reason
    assert not re.search(r"b'|Error|\\x|<", outcome.message), "nothing of Python's own"
    return outcome.message


@pytest.mark.parametrize(
    ("value", "looks"),
    [
        (b"\n  " + JSON, "JSON"),
        (b"\xef\xbb\xbf" + JSON, "JSON"),
        (b"[" + JSON + b"]", "JSON"),
        (json.dumps(JSON.decode()).encode(), "a text in JSON"),
        (b"Obj\x01\x04\x14avro.codec", "an Avro object container"),
        (BARE, "a sessions.SessionUpdate without a framing: put c3 01 "),
        (b"\x01\xc3" + PLAIN[2:], "in reverse"),
        (PLAIN.decode("latin-1").encode(), "decoded as Latin-1 and encoded as UTF-8"),
        (PLAIN.decode("cp1252", "replace").encode(), "decoded as Latin-1 and encoded as UTF-8"),
        (PLAIN.decode(errors="replace").encode(), "decoded as text and lost"),
        (PLAIN.decode("latin-1").encode("utf-16-le"), "encoded as UTF-16"),
        (PLAIN.hex().encode(), "in hex"),
        (PLAIN.hex().upper().encode(), "in hex"),
        (base64.b64encode(PLAIN), "in Base64"),
        (repr(PLAIN).encode(), "how Python prints bytes"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd"),
        (b"<update/>", "XML"),
        (JSON.decode().encode("utf-16"), "UTF-16"),
    ],
)
def test_what_has_no_framing_is_told_by_its_first_bytes_and_what_they_look_like(
    value: bytes, looks: str
) -> None:
    message = rejected(decode(value), Reason.UNDECODABLE)
    assert f"{len(value):,} bytes, {value[:16].hex(' ')}" in message
    assert looks in message.partition("which looks like ")[2]


@pytest.mark.parametrize("value", [b"", b"\xff\x00", b"hello", bytes(range(5, 200))])
def test_what_looks_like_nothing_is_told_by_its_first_bytes_alone(value: bytes) -> None:
    message = rejected(decode(value), Reason.UNDECODABLE)
    assert (value[:16].hex(" ") or "no bytes") in message
    assert "looks like" not in message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda value: value[:-1], "it ends too early"),
        (lambda value: value + b"\x00", "1 bytes are left over"),
        (lambda value: value.replace(b"\x06TEN", b"\x06T\xffN"), "not UTF-8 at its byte 2 (ff)"),
        (lambda value: value[:10] + b"\xff" * 8, "says a length"),
        (
            lambda value: value.replace(b"TEN", b"\xef\xbf\xbd")[:-1],
            "holds EF BF BD",
        ),
    ],
)
def test_a_datum_that_is_broken_is_told_in_words(change: Any, told: str) -> None:
    whole = UPDATES.write(an_update(coupon="TEN"))
    assert told in rejected(decode(change(whole)), Reason.UNDECODABLE)


NASTY = 'no"\x1b[2J\u202e' + "x" * 200


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"attributes": {"a\n": NASTY}}, 'attributes["a\\u000a"] is not one JSON text'),
        (
            {"cart_items": [an_item(attributes={"k": NASTY})]},
            'cartItems[0].attributes["k"] is not one JSON text',
        ),
        ({"discounts": {"d": float("inf")}}, 'discounts["d"] is inf'),
        ({"event_time": -5}, "eventTime is -5"),
    ],
)
def test_the_value_that_is_invalid_is_shown_cut_and_visible(
    changes: dict[str, Any], told: str
) -> None:
    outcome = decode(UPDATES.write(an_update(**changes)))
    message = rejected(outcome, Reason.INVALID_VALUE)
    assert told in message
    assert message.isprintable()
    assert len(message) < 300
    if NASTY in str(changes) or "attributes" in str(changes):
        assert '"no\\"\\u001b[2J\\u202exxx' in message
        assert "… (208 characters)" in message
    assert outcome.event_id == an_update().event_id


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (b"1:else", 'the key is "1:else", not '),
        (b"\xfe\x00", "the key is fe 00, which is not UTF-8, not "),
        (None, "the key is absent, not "),
        (b"1:a\x1b", 'the key is "1:a\\u001b", not '),
    ],
)
def test_a_key_that_is_another_is_shown_beside_the_right_one(key: bytes | None, told: str) -> None:
    outcome = decode(PLAIN, key)
    assert rejected(outcome, Reason.KEY_MISMATCH) == told + KEY.decode()
    assert outcome.event_id == an_update().event_id


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"coupon": 5}', "coupon is not a text: 5"),
        ('{"coupon": [1,\n2]}', "coupon is not a text: [1,\\u000a2]"),
        ('{"state": "gone"}', 'state is not open, closed or cancelled: "gone"'),
        (
            '{"total": "' + "9" * 300 + '"}',
            f'total is not a number: "{"9" * 79} … (302 characters)',
        ),
        ('{"cartItems": {"a": 1}}', 'cartItems is not a list: {"a": 1}'),
    ],
)
def test_a_value_of_json_that_is_of_another_type_is_shown(text: str, told: str) -> None:
    decode_json = Decode(Updates(UPDATES, {"avro", "json"}), COMMANDS)
    assert told in rejected(decode_json.read(record(text.encode())), Reason.UNDECODABLE)


@pytest.mark.parametrize(
    ("value", "headers", "told"),
    [
        (PLAIN, (), "e-1"),
        (JSON_UPDATE, (), "e"),
        (PLAIN, (("session-processor.event-id", b"its own"),), "its own"),
        (BARE, (), ""),
        (None, (), ""),
    ],
)
def test_a_letter_of_a_former_version_tells_its_event_by_its_value(
    value: bytes | None, headers: Headers, told: str
) -> None:
    letter = Record(0, 1, 0, KEY, value, headers)
    assert LetterReader(Settings()).event_id(letter, in_short(letter)) == told


def test_a_closed_session_tells_what_was_to_be_changed() -> None:
    session = a_session(state="closed")
    late = an_update(event_id="late", coupon="", total=3.0, discounts={})
    assert fold(session, late, None) == Rejected(
        Reason.SESSION_NOT_OPEN,
        "the session is closed and the update has coupon, total, discounts",
        event_id="late",
    )
