"""The reader of sessions, on a real server."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import fastavro
import pytest
import redis

from processor.ports.sessions import Stamp, Write
from processor.reader import LAYOUT, Answer, Found, SessionReader, UnknownLayout, UnknownSchema
from processor.redis import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from fakes.backends import ValkeyBackend

pytest_plugins = ["fakes.backends"]
pytestmark = pytest.mark.servers

SCHEMA = json.dumps(
    {"type": "record", "name": "S", "fields": [{"name": "integrationId", "type": "string"}]}
)


class Reading:
    """A prefix with sessions in it, and a reader of it."""

    def __init__(self, backend: ValkeyBackend) -> None:
        self.backend = backend
        self.cache = backend.sessions()
        self.prefix = backend.keys.meta().removesuffix(":meta")
        self.reader = SessionReader(backend.client, self.prefix)

    def restore(self, partition: int, snapshots: Mapping[bytes, bytes]) -> Stamp:
        stamp = self.cache.begin(partition, b"0")
        self.cache.fill(partition, Write(stamp, b"1", snapshots))
        return self.cache.flip(partition, Stamp(stamp.generation, b"1"), b"2")


@pytest.fixture
def reading(valkey_backend: ValkeyBackend) -> Reading:
    valkey_backend.directory().describe(3, {"00" * 8: SCHEMA, "7": SCHEMA})
    reading = Reading(valkey_backend)
    for partition in range(3):
        reading.restore(partition, {b"1:p%d" % partition: b"P", b"1:b": b"%d" % partition})
    return reading


def test_the_layout_is_the_processors() -> None:
    assert LAYOUT == keys.LAYOUT
    assert keys.CHECKPOINT == b""


def test_a_session_is_found_in_its_partition(reading: Reading) -> None:
    assert reading.reader.get("1:p1") == Answer([Found(1, b"P")], frozenset())
    assert reading.reader.get(b"1:p2") == Answer([Found(2, b"P")], frozenset())


def test_a_session_that_is_not_there_is_nowhere(reading: Reading) -> None:
    assert reading.reader.get("1:none") == Answer([], frozenset())


def test_a_key_in_several_partitions_is_told_with_all_of_them(reading: Reading) -> None:
    found = [Found(0, b"0"), Found(1, b"1"), Found(2, b"2")]
    assert reading.reader.get("1:b") == Answer(found, frozenset())


def test_partitions_without_a_cache_are_named(reading: Reading) -> None:
    """A pointer that names nothing is as good as none."""
    stamp = reading.cache.read(2)
    assert stamp is not None
    reading.backend.delete(reading.backend.keys.current(0))
    reading.backend.delete(reading.backend.keys.sessions(2, stamp.generation))
    assert reading.reader.get("1:b") == Answer([Found(1, b"1")], frozenset({0, 2}))


def test_a_generation_that_is_replaced_between_the_rounds_is_asked_again(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = reading.reader._ask
    rounds: list[str] = []

    def ask_while_it_flips(commands: Iterable[Sequence[str | bytes]]) -> list[Any]:
        commands = list(commands)
        if rounds and rounds[-1] == "GET" and len(rounds) == 1:
            reading.restore(1, {b"1:b": b"fresh"})
        rounds.append(str(commands[-1][0]))
        return ask(commands)

    reading.reader.get("1:b")
    monkeypatch.setattr(reading.reader, "_ask", ask_while_it_flips)
    answer = reading.reader.get("1:b")
    assert answer == Answer([Found(0, b"0"), Found(1, b"fresh"), Found(2, b"2")], frozenset())
    assert rounds == ["GET", "HMGET", "GET", "HMGET"]


def test_a_prefix_with_nothing_under_it_is_told(valkey_backend: ValkeyBackend) -> None:
    with pytest.raises(UnknownLayout, match="nothing"):
        Reading(valkey_backend).reader.get("1:a")


def test_another_layout_is_not_guessed_at(reading: Reading) -> None:
    reading.backend.server.ask(("HSET", reading.backend.keys.meta(), "layout", "99"))
    with pytest.raises(UnknownLayout, match="layout 99"):
        reading.reader.get("1:a")


def test_a_partition_that_was_added_is_asked_too(reading: Reading) -> None:
    reading.reader.get("1:late")
    reading.backend.directory().describe(4, {})
    reading.restore(3, {b"1:late": b"L"})
    assert reading.reader.get("1:late") == Answer([Found(3, b"L")], frozenset())


@pytest.mark.parametrize("framing", [b"\xc3\x01" + bytes(8), b"\x00" + (7).to_bytes(4, "big")])
def test_a_snapshot_is_decoded_by_the_recorded_schema(reading: Reading, framing: bytes) -> None:
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, json.loads(SCHEMA), {"integrationId": "é"})
    for _ in range(2):
        assert reading.reader.decode(framing + datum.getvalue()) == {"integrationId": "é"}


@pytest.mark.parametrize(
    "snapshot", [b"\xc3\x01" + b"\x01" * 8, b"\x00\x00\x00\x00\x09", b"", b"x"]
)
def test_a_snapshot_of_an_unknown_schema_is_told(reading: Reading, snapshot: bytes) -> None:
    with pytest.raises(UnknownSchema):
        reading.reader.decode(snapshot)


def test_a_server_that_is_away_raises_the_librarys_error(reading: Reading) -> None:
    reading.backend.go_away()
    with pytest.raises(redis.ConnectionError):
        reading.reader.get("1:a")
