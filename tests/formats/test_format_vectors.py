"""The vectors of formats: the real stages say of each what the oracle says."""

import json
from typing import Any

import golden
import pytest
from avro_bytes import CODECS, COMMANDS, SCHEMAS, fold_with

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled
from processor.avro.framing import DecodeError, JsonSchemaError
from processor.avro.schemas import Schema
from processor.formats.updates import Updates
from processor.ports.log import Record
from processor.ports.registry import SchemaId
from processor.stages.decode import Decode

VECTORS = json.loads((golden.CONTRACT / "formats.json").read_text())


class OneSchema:
    """A registry that has one schema."""

    def __init__(self, number: int, kind: str) -> None:
        self._number, self._kind = number, kind

    def schema(self, schema_id: SchemaId) -> Schema | None:
        if schema_id != self._number:
            return None
        if self._kind == "AVRO":
            return SCHEMAS.updates.reader
        raise JsonSchemaError if self._kind == "JSON" else DecodeError


def updates_of(vector: dict[str, Any]) -> Updates:
    registry = vector["registry"]
    ids = None if registry is None else OneSchema(registry["id"], registry["type"])
    return Updates(UpdateCodec(SCHEMAS.updates, ids), vector["formats"])


def record_of(vector: dict[str, Any]) -> Record:
    headers = [(n, None if held is None else bytes.fromhex(held)) for n, held in vector["headers"]]
    return Record(0, 0, 0, bytes.fromhex(vector["key"]), bytes.fromhex(vector["value"]), headers)


@pytest.mark.parametrize("compiled", CODECS)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_stages_agree_with_a_vector(vector: dict[str, Any], compiled: Compiled | None) -> None:
    decode, record = Decode(updates_of(vector), COMMANDS, compiled), record_of(vector)
    fold = fold_with(decode, compiled=compiled)
    done = fold([record], decode([record]), {0: {record.key or b"": None}}, {})
    if vector["outcome"] == "accepted":
        assert done.snapshots[0] == bytes.fromhex(vector["snapshot"])
        update = updates_of(vector).read(record.value or b"", record.headers, 0).update
        assert UpdateCodec(SCHEMAS.updates).write(update) == bytes.fromhex(vector["avro"])
    else:
        (letter,) = done.letters
        assert letter.rejected.reason == vector["outcome"], letter.rejected.message
        assert letter.record == record
        assert len(letter.rejected.message.encode()) < 20_000


def test_one_update_has_one_snapshot_whatever_its_format() -> None:
    same = [vector for vector in VECTORS if vector["name"].startswith("same")]
    assert len(same) >= 9
    assert len({vector["snapshot"] for vector in same}) == 1


def test_names_are_unique_and_every_reason_of_a_format_has_vectors() -> None:
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)
    reasons = {"undecodable", "key-mismatch", "invalid-value"}
    assert reasons <= {vector["outcome"] for vector in VECTORS}
