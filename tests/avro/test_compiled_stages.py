"""The stages where the compiled codec leaves something to the core, or framings change."""

from collections.abc import Sequence
from typing import Any, cast

from avro_bytes import (
    COMMANDS,
    FAST,
    HEADER,
    KEY,
    SCHEMAS,
    SNAPSHOTS,
    decode_and_fold,
    first_snapshot,
    needs_compiled,
)
from mixed_formats import as_json
from values import NOON, a_session, accepted, an_update

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled, EncodedUpdate
from processor.avro.framing import SCHEMA_ID_HEADER, JsonSchemaError, confluent
from processor.avro.schemas import Schema
from processor.core.fold import fold
from processor.core.outcome import Rejected
from processor.core.update import UPDATE_FIELDS, SessionUpdate
from processor.formats.updates import Updates
from processor.ports.log import Record
from processor.ports.registry import SchemaId
from processor.stages.decode import Decode

pytestmark = needs_compiled
COMPILED = cast("Compiled", FAST)
UPDATES = UpdateCodec(SCHEMAS.updates)
STRUCTURED = (("content-type", b"application/cloudevents+json"),)


def record(value: bytes) -> Record:
    return Record(0, 40, NOON, KEY, value, ())


def test_a_snapshot_that_is_not_canonical_is_folded_by_the_core() -> None:
    before, update = a_session(event_memory=b""), an_update(coupon="A", offset=40)
    odd = SNAPSHOTS.write(before)[:-1] + b"\x80\x00"  # the length of the memory, in two bytes
    decode, folds = decode_and_fold(COMPILED, 900_000)
    records = [record(UPDATES.write(update))]
    done = folds(records, decode(records), {0: {KEY: odd}}, {})
    wanted = SNAPSHOTS.write(accepted(fold(before, update, None)))
    assert done.snapshots == [wanted]


class Registered:
    """A registry whose every schema is the present one, but that 8 is a JSON Schema."""

    def schema(self, schema_id: SchemaId) -> Schema:
        if schema_id == 8:
            raise JsonSchemaError
        return SCHEMAS.updates.reader


class Counting:
    """The compiled codec, and how many records it was asked to read at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def read(self, records: Sequence[Record], *given: Any) -> list[EncodedUpdate | None]:
        self.asked.append(len(records))
        return COMPILED.read(records, *given)

    def fold(self, *_: Any) -> None:
        raise NotImplementedError

    def input_offset(self, _snapshot: bytes, _header: bytes, /) -> int | None:
        raise NotImplementedError


def test_the_framing_that_came_last_is_tried_on_the_whole_next_batch() -> None:
    counting = Counting()
    updates = Updates(UpdateCodec(SCHEMAS.updates, Registered()), {"avro"})
    decode = Decode(updates, COMMANDS, counting)
    framed = record(confluent(7) + UPDATES.write(an_update())[len(HEADER) :])
    for _ in range(2):
        assert not any(isinstance(each, SessionUpdate) for each in decode([framed] * 3))
    assert counting.asked == [3, 1, 1, 1, 3]


def test_a_framing_of_json_is_remembered_beside_that_of_avro() -> None:
    counting = Counting()
    updates = Updates(UpdateCodec(SCHEMAS.updates, Registered()), {"avro", "json", "cloudevents"})
    decode = Decode(updates, COMMANDS, counting)
    update, header = an_update(coupon="A"), (SCHEMA_ID_HEADER, confluent(8))
    whole = as_json(dict(zip(UPDATE_FIELDS, update, strict=False))).encode()
    event = f'{{"specversion":"1.0","data":{whole.decode()}}}'.encode()
    avro = record(confluent(7) + UPDATES.write(update)[len(HEADER) :])
    framed = record(confluent(8) + whole)
    structured = record(confluent(8) + event)._replace(headers=STRUCTURED)
    apart = record(event)._replace(headers=(*STRUCTURED, header))
    batch = [record(whole), avro, framed, structured]
    for _ in range(2):
        done = [first_snapshot(each) for each in decode([*batch, apart])]
        assert done == [first_snapshot(update)] * 5
    assert counting.asked == [5, 1, 1, 1, 1, 5, 1]
    other = decode([record(confluent(8) + b"{}"), framed])
    assert isinstance(other[0], Rejected)
    assert first_snapshot(other[1]) == first_snapshot(update)
