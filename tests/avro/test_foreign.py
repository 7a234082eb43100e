"""Single-object encoding as other libraries write it, mostly under fingerprints of their own.

`WRITTEN` is what they wrote, each given a file of `schemas/` as it is: one update or command.
"""

import json
from itertools import chain, repeat
from typing import Any

import pytest
from avro_bytes import CODECS, KEY, SCHEMAS, decode_and_fold, folded
from fastavro.schema import parse_schema, to_parsing_canonical_form
from values import NOON, an_update

from processor.avro.canonical import FORMS, aliases, canonical
from processor.avro.codec import CommandCodec, SnapshotCodec, UpdateCodec
from processor.avro.compiled import Compiled
from processor.avro.definition import defined
from processor.avro.framing import UnknownSchemaError, single_object
from processor.avro.schemas import Schema, shipped_schemas, with_aliases
from processor.core.command import SessionCommand
from processor.core.outcome import Rejected
from processor.core.update import SessionUpdate
from processor.ports.log import Record

_DATUM = "06652d3180a8a89495670e0e636172742d3137"
UPDATE = _DATUM + "0002024100000000000000"
FORMER = _DATUM + "000202410000000000"
COMMAND = _DATUM + "02000002020270000200"
BLOCKS = _DATUM + "0200000201040270000200"
"""The same command, its array as hamba/avro writes one: each block with its size."""

WRITTEN = [
    ("goavro 2.9.8", "c301384c355f88191d0e", UPDATE),
    ("goavro 2.9.8", "c3010e727202b8275303", FORMER),
    ("goavro 2.9.8", "c30146272ad5b63d1e2c", COMMAND),
    ("goavro 2.10.1", "c301384c355f88191d0e", UPDATE),
    ("goavro 2.12.0", "c3012ab3b0ce1d575f65", UPDATE),
    ("goavro 2.15.0", "c3012ab3b0ce1d575f65", UPDATE),
    ("goavro 2.15.0", "c301d16824d4d6fc247b", FORMER),
    ("goavro 2.15.0", "c301fc28bd66c50dccfa", COMMAND),
    ("hamba/avro 2.31.0, soe", "c301f41eeb4973d66da7", UPDATE),
    ("hamba/avro 2.31.0, soe", "c301f755c8909b3d918b", FORMER),
    ("hamba/avro 2.31.0, soe", "c3010df05aa32b8025cf", BLOCKS),
    ("hamba/avro 1.8.0, FingerprintUsing", "c301a76dd67349eb1ef4", UPDATE),
    ("Python avro 1.12.2", "c3012ab3b0ce1d575f65", UPDATE),
    ("Python avro 1.12.2", "c301d16824d4d6fc247b", FORMER),
    ("Python avro 1.11.3", "c301fc28bd66c50dccfa", COMMAND),
    ("Rust apache-avro 0.14.0", "c3014661bd76eac0e8fd", UPDATE),
    ("Rust apache-avro 0.14.0", "c301cdbd1075e37c3e58", FORMER),
    ("Rust apache-avro 0.14.0", "c30190df873d89ce481b", COMMAND),
    ("Rust apache-avro 0.16.0", "c301f41eeb4973d66da7", UPDATE),
    ("Rust apache-avro 0.16.0", "c3010df05aa32b8025cf", COMMAND),
    ("Rust apache-avro 0.17.0", "c3012ab3b0ce1d575f65", UPDATE),
    ("Rust apache-avro 0.20.0", "c301fc28bd66c50dccfa", COMMAND),
    ("twmb/avro 1.9.1", "c301779600cc2291f9d3", UPDATE),
    ("twmb/avro 1.9.1", "c3015f98133cfc517bc4", FORMER),
    ("twmb/avro 1.9.1", "c301150df178d18202b0", COMMAND),
    ("avsc 5.7.9, behind the ten bytes", "c301779600cc2291f9d3", UPDATE),
    ("avsc 5.7.9, behind the ten bytes", "c3015f98133cfc517bc4", FORMER),
]

UPDATES = UpdateCodec(SCHEMAS.updates)
DECODE, _ = decode_and_fold(None, 900_000)
TOLD = an_update(
    event_id="e-1", event_time=1_772_366_400_000, integration_id="cart-17", coupon="A", offset=40
)
ENDED = SessionCommand(
    "e-1", 1_772_366_400_000, 7, "cart-17", "erase", forget=["p"], release=[], offset=40
)
SAYS = {UPDATE: TOLD, FORMER: TOLD, COMMAND: ENDED, BLOCKS: ENDED}
KNOWN = [*SCHEMAS.updates.writers.values(), *SCHEMAS.commands.writers.values()]


def record(value: bytes, key: bytes = b"7:cart-17") -> Record:
    return Record(partition=3, offset=40, timestamp=NOON, key=key, value=value, headers=())


@pytest.mark.parametrize(("library", "header", "datum"), WRITTEN)
def test_what_a_library_wrote_is_read(library: str, header: str, datum: str) -> None:
    found = DECODE.read(record(bytes.fromhex(header + datum)))
    assert found == SAYS[datum], library


@pytest.mark.parametrize("compiled", CODECS)
def test_under_an_alias_the_compiled_codec_reads_too(compiled: Compiled | None) -> None:
    decode, _ = decode_and_fold(compiled, 900_000)
    own = UPDATES.write(TOLD)
    known = aliases(SCHEMAS.updates.reader.text)
    lines = [single_object(alias) + own[len(UPDATES.header) :] for alias in known]
    found = decode([record(value) for value in chain([own], *zip(lines, lines, repeat(own)))])
    for each in found:
        if compiled is None:
            assert each == TOLD
        else:
            assert not isinstance(each, SessionUpdate | SessionCommand | Rejected)
            made = folded(each, None)
            assert made is not None
            assert SnapshotCodec(SCHEMAS.snapshots).read(made[0]).coupon == "A"


@pytest.mark.parametrize("schema", KNOWN, ids=lambda each: f"{each.name} {each.canonical[-20:-10]}")
def test_each_form_of_each_known_schema_is_known_in_both_orders(schema: Schema) -> None:
    own = schema.fingerprint
    known = aliases(schema.text)
    assert len(known) == len({*known}) == 2 * len(FORMS) + 1
    assert {each[::-1] for each in (own, *known)} == {own, *known}


def test_a_form_is_not_fastavros_but_for_avros_own() -> None:
    for schema in KNOWN:
        definition = defined(schema.text)
        assert canonical(definition) == to_parsing_canonical_form(parse_schema(schema.parsed))
        forms = {canonical(definition, form) for form in FORMS.values()}
        assert len({canonical(definition), *forms}) == len(FORMS) + 1


def test_a_fingerprint_counts_before_an_alias() -> None:
    one, other = [*SCHEMAS.updates.writers.values()][:2]
    alias = aliases(one.text)[0]
    writers = {one.fingerprint: one, alias: other}
    assert with_aliases(writers)[alias] is other


def test_aliases_are_none_of_what_is_recorded_or_of_snapshots() -> None:
    snapshots = SnapshotCodec(SCHEMAS.snapshots)
    schema = SCHEMAS.snapshots.reader
    assert len(SCHEMAS.snapshots.texts()) == len(SCHEMAS.snapshots.writers)
    with pytest.raises(UnknownSchemaError):
        snapshots._record(single_object(aliases(schema.text)[0]) + b"datum")


def test_only_a_commands_aliases_make_a_command() -> None:
    codec = CommandCodec(SCHEMAS.commands)
    for schema in KNOWN:
        for alias in aliases(schema.text):
            value: Any = single_object(alias)
            assert codec.is_command(value) == (schema is SCHEMAS.commands.reader)


def test_what_is_rejected_under_an_alias_is_rejected_as_ever() -> None:
    whole = bytes.fromhex("c301f41eeb4973d66da7" + UPDATE)
    for value, key in ((whole[:-1], KEY), (whole + b"\0", KEY), (whole, KEY)):
        found = DECODE.read(record(value, key))
        own = DECODE.read(record(UPDATES.header + value[10:], key))
        assert isinstance(found, Rejected)
        assert found == own


def test_the_contract_has_each_as_the_oracle_computes_it() -> None:
    files = json.loads((shipped_schemas().parent / "contract" / "schemas.json").read_text())
    told = {each["prefix"]: [each["prefix"], *each.get("others", ())] for each in files.values()}
    for schema in KNOWN:
        known = (schema.fingerprint, *aliases(schema.text))
        frames = [single_object(each).hex() for each in known]
        assert told[frames[0]] == frames
