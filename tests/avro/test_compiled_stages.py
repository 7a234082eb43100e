"""The stages where the compiled codec leaves something to the core, or framings change."""

from collections.abc import Sequence
from typing import cast

from avro_bytes import (
    COMMANDS,
    FAST,
    HEADER,
    KEY,
    SCHEMAS,
    SNAPSHOTS,
    decode_and_fold,
    needs_compiled,
)
from values import NOON, a_session, accepted, an_update

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled, EncodedUpdate
from processor.avro.framing import confluent
from processor.avro.schemas import Schema
from processor.core.fold import fold
from processor.core.update import SessionUpdate
from processor.formats.updates import Updates
from processor.ports.log import Record
from processor.ports.registry import SchemaId
from processor.stages.decode import Decode

pytestmark = needs_compiled
COMPILED = cast("Compiled", FAST)
UPDATES = UpdateCodec(SCHEMAS.updates)


def record(value: bytes) -> Record:
    return Record(0, 40, NOON, KEY, value, ())


def test_a_snapshot_that_is_not_canonical_is_folded_by_the_core() -> None:
    before, update = a_session(event_memory=b""), an_update(coupon="A", offset=40)
    odd = SNAPSHOTS.write(before)[:-1] + b"\x80\x00"  # the length of the memory, in two bytes
    decode, folds = decode_and_fold(COMPILED, 900_000)
    records = [record(UPDATES.write(update))]
    done = folds(records, decode(records), {0: {KEY: odd}}, {})
    wanted = SNAPSHOTS.write(accepted(fold(before, update, None)))
    assert [each.value for each in done.snapshots] == [wanted]


class Registered:
    """A registry whose every schema is the present one."""

    def schema(self, _schema_id: SchemaId) -> Schema:
        return SCHEMAS.updates.reader


class Counting:
    """The compiled codec, and how many records it was asked to read at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def read(self, records: Sequence[Record], header: bytes, /) -> list[EncodedUpdate | None]:
        self.asked.append(len(records))
        return COMPILED.read(records, header)

    def input_offset(self, _snapshot: bytes, _header: bytes, /) -> int | None:
        raise NotImplementedError


def test_the_framing_that_came_last_is_tried_on_the_whole_next_batch() -> None:
    counting = Counting()
    decode = Decode(
        Updates(UpdateCodec(SCHEMAS.updates, Registered()), {"avro"}), COMMANDS, counting
    )
    framed = record(confluent(7) + UPDATES.write(an_update())[len(HEADER) :])
    for _ in range(2):
        assert not any(isinstance(each, SessionUpdate) for each in decode([framed] * 3))
    assert counting.asked == [3, 1, 1, 1, 3]
