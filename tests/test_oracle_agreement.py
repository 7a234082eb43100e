"""The stages and the oracle, which share no code, say the same of the same log."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby

import mixed_formats
import pytest
from avro_bytes import FAST, decode_and_fold
from first_sessions import not_exactly_one_first, winners
from hypothesis import given
from hypothesis import strategies as st
from mixed_formats import mixed
from oracle import DeadLetter, Entry, Expected, Formats, Snapshot, bits, decode_session, expected
from oracle_json import is_json

from bench.lean import lean_updates
from processor.avro.compiled import Compiled
from processor.core.json_text import is_json_text
from processor.core.outcome import Reason
from processor.demo.catalogue import NOT_JSON, UNUSUAL_JSON
from processor.demo.traffic import DemoUpdate, Mix, updates
from processor.formats.names import AVRO_ALONE
from processor.ports.log import Record

PARTITIONS = 4
SMALL = 6_000
"""A limit of snapshots that ordinary carts reach too."""

REALISTIC = Mix(too_large_every=2_500)
HARSH = Mix(rejects=0.15, duplicates=0.1, too_large_every=300, snapshot_limit=SMALL)

Log = dict[int, list[Record]]


def partition_of(key: bytes | None) -> int:
    return zlib.crc32(key or b"") % PARTITIONS


def as_log(stream: Sequence[DemoUpdate]) -> list[Record]:
    """Return the records in the order in which they arrive, offsets with gaps as markers make."""
    ends = dict.fromkeys(range(PARTITIONS), 0)
    records = []
    for update in stream:
        assert update.partition is not None
        offset = ends[update.partition]
        ends[update.partition] = offset + 1 + offset % 7 // 6
        records.append(
            Record(
                update.partition,
                offset,
                update.timestamp,
                update.key,
                update.value,
                update.headers,
            )
        )
    return records


def processed(
    records: Sequence[Record],
    limit: int,
    batch: int,
    compiled: Compiled | None = None,
    formats: str = AVRO_ALONE,
) -> dict[int, Expected]:
    """Fold the records through the stages, `batch` at a time, with dicts for Kafka and Redis."""
    decode, fold = decode_and_fold(compiled, limit, formats=formats)
    sessions: dict[int, dict[bytes, bytes | None]] = {}
    claims: dict[str, str] = {}
    results = {partition: Expected() for partition in range(PARTITIONS)}
    rest = list(records)
    while rest:
        now = rest[:batch]
        for record in now:
            sessions.setdefault(record.partition, {}).setdefault(record.key or b"", None)
        done = fold(now, decode(now), sessions, claims)
        rest = rest[done.taken :]
        claims |= done.claims
        for record, value in zip(done.accepted, done.snapshots, strict=True):
            key = record.key or b""
            sessions[record.partition][key] = value
            results[record.partition].snapshots.append(Snapshot(key, value, record.timestamp))
        for record, rejected in done.letters:
            entry = Entry(*record[1:])
            results[record.partition].dead_letters.append(DeadLetter(entry, str(rejected.reason)))
        results[0].duplicates += done.duplicates
    return results


def demanded(
    records: Sequence[Record], firsts: Mapping[str, bytes], limit: int, formats: str = AVRO_ALONE
) -> list[Expected]:
    ordered = sorted(records, key=lambda record: record.partition)
    logs = {
        partition: [Entry(*record[1:]) for record in group]
        for partition, group in groupby(ordered, key=lambda record: record.partition)
    }
    read = Formats(formats.split(","))
    return [
        expected(logs.get(partition, []), firsts, limit, formats=read)
        for partition in range(PARTITIONS)
    ]


def agree(
    stream: Sequence[DemoUpdate], limit: int, batch: int = 500, formats: str = AVRO_ALONE
) -> list[Expected]:
    """Assert that both say the same, with either codec, and return what they say."""
    records = as_log(stream)
    got = processed(records, limit, batch, None, formats)
    if FAST is not None:
        assert processed(records, limit, batch, FAST, formats) == got
    output = {partition: result.snapshots for partition, result in got.items()}
    assert not_exactly_one_first(output) == []
    wanted = demanded(records, winners(output), limit, formats)
    for partition, want in enumerate(wanted):
        assert got[partition].dead_letters == want.dead_letters
        shown = [bits(decode_session(each.value)) for each in got[partition].snapshots]
        assert shown == [bits(decode_session(each.value)) for each in want.snapshots]
        assert got[partition].snapshots == want.snapshots
    assert got[0].duplicates == sum(want.duplicates for want in wanted)
    return wanted


def reasons(results: Sequence[Expected]) -> Counter[str]:
    return Counter(letter.reason for result in results for letter in result.dead_letters)


@cache
def realistic(seed: int) -> tuple[DemoUpdate, ...]:
    return tuple(updates(3_000, seed=seed, mix=REALISTIC, partition=partition_of))


def test_a_realistic_stream() -> None:
    found = agree(realistic(1), 900_000)
    assert set(reasons(found)) == set(Reason)
    assert sum(result.duplicates for result in found) > 50
    where: dict[str, set[int]] = {}
    for partition, result in enumerate(found):
        for session in result.sessions.values():
            where.setdefault(session["profileId"], set()).add(partition)
    del where[""]
    assert len(where) > 30
    assert sum(len(partitions) > 1 for partitions in where.values()) > 15, (
        "profiles meet too seldom"
    )


@pytest.mark.parametrize("seed", [4, 5])
def test_a_harsh_stream_with_a_small_limit(seed: int) -> None:
    stream = tuple(updates(2_500, seed=seed, mix=HARSH, partition=partition_of))
    found = agree(stream, SMALL, batch=97)
    assert set(reasons(found)) == set(Reason)
    assert sum(result.duplicates for result in found) > 100


def test_a_stream_of_all_formats_comes_to_what_avro_alone_comes_to() -> None:
    stream = tuple(updates(2_500, seed=6, mix=HARSH, partition=partition_of))
    several = tuple(mixed(stream, seed=6))
    found = agree(several, SMALL, formats=mixed_formats.ALL)
    assert sum(one.value != other.value for one, other in zip(stream, several, strict=True)) > 1_500
    damaged = reasons(found) - reasons(agree(stream, SMALL))
    assert set(damaged) <= {"undecodable", "key-mismatch", "invalid-value", "unknown-session"}
    none = agree(several, SMALL)
    assert reasons(none)["undecodable"] > 1_500


def test_batches_make_no_difference() -> None:
    stream = tuple(updates(800, seed=8, mix=HARSH, partition=partition_of))
    assert agree(stream, SMALL, batch=1) == agree(stream, SMALL, batch=800)


def test_every_lean_update_is_accepted() -> None:
    stream = tuple(lean_updates(2_000, seed=1, sessions_at_once=100, partition=partition_of))
    found = agree(stream, 900_000)
    snapshots = sum(len(result.snapshots) for result in found)
    sizes = [len(update.value or b"") for update in stream]
    assert snapshots == len(stream)
    assert 190 < sum(sizes) / len(sizes) < 210


def test_a_stream_is_the_same_for_a_seed() -> None:
    assert tuple(updates(3_000, seed=1, mix=REALISTIC, partition=partition_of)) == realistic(1)
    assert realistic(2) != realistic(1)


def test_a_stream_has_every_reason_early() -> None:
    """Three quarters of what the demo folds have each reason several times."""
    stream = tuple(updates(15_000, seed=11, partition=partition_of))
    found = reasons(demanded(as_log(stream), {}, 900_000))
    assert set(found) == set(Reason)
    assert min(found.values()) >= 2


@pytest.mark.parametrize("text", UNUSUAL_JSON)
def test_unusual_json_is_json(text: str) -> None:
    assert is_json_text(text)
    assert is_json(text)


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda text: repr(text[:20]))
def test_what_is_not_json(text: str) -> None:
    assert not is_json_text(text)
    assert not is_json(text)


PIECES = st.sampled_from(
    [
        *'[]{},:"\\-+.eE01',
        " ",
        "\n",
        "\x0b",
        "true",
        "null",
        '"a"',
        "\\u",
        "d8",
        "é",
        "\ufeff",
        "NaN",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_both_read_json_by_the_same_grammar(text: str) -> None:
    assert is_json_text(text) == is_json(text)
