"""`contract/`: the vectors are the oracle's, and the real stages say the same of each."""

import json
from typing import Any

import golden
import pytest
from avro_bytes import CODECS, COMMANDS, decode_and_fold, first_snapshot

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled
from processor.avro.schemas import Schema, load_schemas
from processor.core.outcome import ENDED, PASSED_OVER, Reason
from processor.core.update import SessionUpdate
from processor.formats.updates import Updates
from processor.ports.log import Record
from processor.ports.registry import SchemaId
from processor.stages.decode import Decode

VECTORS = json.loads((golden.CONTRACT / "vectors.json").read_text())
Told = tuple[str, str | None, dict[str, str] | None]
"""An outcome, a snapshot's bytes in hex, a tombstone's headers."""
FRAMINGS = json.loads((golden.CONTRACT / "framings.json").read_text())


def stages_on(case: dict[str, Any], compiled: Compiled | None) -> list[Told]:
    """Return what the real stages make of each record, one batch after another."""
    decode, fold = decode_and_fold(compiled, case["maxSnapshotBytes"])
    claims: dict[str, str] = {}
    sessions: dict[bytes, bytes | None] = {}
    told: list[Told] = []
    for vector in case["records"]:
        key = bytes.fromhex(vector["key"])
        value = None if vector["value"] is None else bytes.fromhex(vector["value"])
        record = Record(0, vector["offset"], 0, key, value, ())
        sessions.setdefault(key, None)
        done = fold([record], decode([record]), {0: sessions}, claims)
        claims |= done.claims
        for profile, holder in done.ended_claims.items():
            claims.pop(profile)
            if holder is not None:
                claims[profile] = holder
        for published in done.snapshots:
            sessions[key] = published
        tombstone = None
        if done.ends:
            tombstone = {name: (held or b"").decode() for name, held in done.ends[0]}
        if done.letters:
            outcome = str(done.letters[0].rejected.reason)
        elif done.commands:
            outcome = done.commands[0].outcome.name
        else:
            outcome = "accepted" if done.snapshots else "duplicate"
        snapshot = done.snapshots[0].hex() if done.snapshots and done.snapshots[0] else None
        told.append((outcome, snapshot, tombstone))
    return told


@pytest.mark.parametrize("compiled", CODECS)
@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_the_stages_agree_with_a_vector(case: dict[str, Any], compiled: Compiled | None) -> None:
    wanted = [
        (vector["outcome"], vector["snapshot"], vector.get("tombstone"))
        for vector in case["records"]
    ]
    assert stages_on(case, compiled) == wanted


def test_the_files_are_what_the_oracle_says_now() -> None:
    for name, text in golden.texts().items():
        assert (golden.CONTRACT / name).read_text("utf-8") == text, f"{name}: make contract"


@pytest.mark.parametrize("compiled", CODECS)
@pytest.mark.parametrize("case", FRAMINGS, ids=lambda case: case["name"])
def test_an_update_reads_alike_in_each_framing(
    case: dict[str, Any], compiled: Compiled | None
) -> None:
    known = load_schemas().updates
    ((_, named),) = case["registry"].items()

    class Registered:
        def schema(self, schema_id: SchemaId) -> Schema | None:
            return known.reader if str(schema_id) == str(named) else None

    decode = Decode(Updates(UpdateCodec(known, Registered()), {"avro"}), COMMANDS, compiled)
    headers = [(name, bytes.fromhex(held)) for name, held in case["headers"].items()]
    record = Record(0, 0, 0, b"1:cart-17", bytes.fromhex(case["value"]), headers)
    plain = record._replace(value=bytes.fromhex(case["singleObject"]), headers=())
    wanted = decode.read(plain)
    assert isinstance(wanted, SessionUpdate)
    assert decode.read(record) == wanted
    for each in decode([record, plain, record]):
        assert isinstance(each, SessionUpdate) == (compiled is None)
        assert first_snapshot(each) == first_snapshot(wanted)


def test_every_outcome_has_vectors() -> None:
    outcomes = {vector["outcome"] for case in VECTORS for vector in case["records"]}
    assert outcomes == {*map(str, Reason), "accepted", "duplicate", ENDED, PASSED_OVER}


def test_a_rejection_is_told_by_the_cases_name() -> None:
    for case in VECTORS:
        if case["name"] in set(Reason):
            assert case["name"] in {vector["outcome"] for vector in case["records"]}
