"""A server at `maxmemory`: what frees memory, or ends what does, goes on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.service import STREAM
from valkeys import awaited

from processor.ports.latest import Latest
from processor.ports.log import Topic
from processor.ports.sessions import CacheUnavailable, Stamp, Want, Write
from processor.reader import SessionReader
from processor.state.checkpoint import Checkpoint, Position
from processor.state.restore import AT_ONCE, Restore

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from fakes.backends import ValkeyBackend

pytest_plugins = ["fakes.backends"]
pytestmark = pytest.mark.servers

SNAPSHOT = bytes(2_000)
SNAPSHOTS = 20_000
"""In all partitions: 40 MB, beside which the buffers of a write are small."""
ATTEMPTS = 50


class Output:
    """A LatestScan of an output in which each partition has its share of the snapshots."""

    def __init__(self, partitions: int) -> None:
        self.each = SNAPSHOTS // partitions

    def latest(self, _topic: Topic, _partition: int, start: int, end: int) -> Iterator[Latest]:
        for first in range(start, end, 100):
            last = min(first + 100, end)
            yield Latest(last, {b"1:%d" % each: SNAPSHOT for each in range(first, last)})


class Untold:
    """A Progress that nobody follows."""

    def rebuilding(self, partition: int) -> None: ...

    def restoring(self, partition: int, done: int, total: int) -> None: ...


def used(backend: ValkeyBackend) -> int:
    memory: dict[str, Any] = backend.client.info("memory")
    return int(memory["used_memory"])


@contextmanager
def limited(backend: ValkeyBackend, limit: int) -> Iterator[None]:
    backend.client.config_set("maxmemory", limit)
    yield
    backend.client.config_set("maxmemory", 0)


@pytest.fixture(autouse=True)
def unlimited(valkey_backend: ValkeyBackend) -> Iterator[None]:
    """Lift the limit also where a test has failed."""
    yield
    valkey_backend.client.config_set("maxmemory", 0)


def restore_all(restore: Restore, partitions: int, position: Position) -> int:
    """Restore all at once, as a process does that has them; return how often one began again."""
    again = 0
    tasks: dict[int, Generator[bool, None, Stamp]] = {}
    left = set(range(partitions))
    while left:
        for partition in sorted(left):
            task = tasks.setdefault(partition, restore(partition, position, f"owner {again}"))
            try:
                next(task)
            except StopIteration:
                left.remove(partition)
            except CacheUnavailable:
                again += 1
                assert again < ATTEMPTS, "it does not end"
                del tasks[partition]
    return again


@pytest.mark.parametrize("partitions", [1, AT_ONCE])
def test_a_rebuild_ends_with_room_for_a_fifth_more_than_the_data(
    valkey_backend: ValkeyBackend, partitions: int
) -> None:
    cache, keys = valkey_backend.sessions(), valkey_backend.keys
    output = Output(partitions)
    restore = Restore(
        stream=STREAM,
        cache=cache,
        scan=output,
        progress=Untold(),
        clock=FakeClock(),
        tombstones_kept_ms=lambda: 1_000,
    )
    restore_all(restore, partitions, Position(10, output.each, 0))
    former = {partition: cache.read(partition) for partition in range(partitions)}
    with limited(valkey_backend, used(valkey_backend) * 12 // 10):
        restore_all(restore, partitions, Position(10, output.each, 1))
        for partition in range(partitions):
            stamp, before = cache.read(partition), former[partition]
            assert stamp is not None
            assert before is not None
            assert Checkpoint.decode(stamp.checkpoint).epoch == 1
            assert not valkey_backend.exists(keys.sessions(partition, before.generation))
            length = valkey_backend.client.hlen(keys.sessions(partition, stamp.generation))
            assert length == output.each + 1


def test_where_there_is_room_the_former_generation_is_read_until_the_flip(
    valkey_backend: ValkeyBackend,
) -> None:
    cache = valkey_backend.sessions()
    stamp = cache.begin(0, b"0")
    stamp = cache.flip(0, stamp, b"1")
    fresh = cache.begin(0, b"2")
    cache.fill(0, Write(fresh, b"3", {b"1:a": b"A"}))
    assert cache.read(0) == stamp


def test_without_room_a_reader_finds_nothing_until_the_flip(valkey_backend: ValkeyBackend) -> None:
    """And says so, as before a first restore."""
    cache = valkey_backend.sessions()
    valkey_backend.directory().describe(1, {})
    stamp = cache.begin(0, b"0")
    cache.fill(0, Write(stamp, b"1", {b"1:a": bytes(10_000_000)}))
    former = cache.flip(0, Stamp(stamp.generation, b"1"), b"2")
    fresh = cache.begin(0, b"3")
    with limited(valkey_backend, used(valkey_backend) * 9 // 10):

        def filled() -> bool:
            try:
                cache.fill(0, Write(fresh, b"4", {b"1:a": b"A"}))
            except CacheUnavailable:
                return False
            return True

        awaited("the freed memory is free", filled)
        assert cache.read(0) is None
        assert cache.check({0: former}) == {0}
        reader = SessionReader(
            valkey_backend.server, valkey_backend.keys.meta().removesuffix(":meta")
        )
        assert reader.get("1:a").missing == {0}
        current = cache.flip(0, Stamp(fresh.generation, b"4"), b"5")
    assert cache.load({0: Want(current, [b"1:a"])}, 1_000) == {0: [b"A"]}


def test_a_full_server_takes_what_frees_and_what_ends_a_rebuild(
    valkey_backend: ValkeyBackend,
) -> None:
    """All but sessions and claims: those are refused, and nothing is written by halves."""
    cache, claims, keys = valkey_backend.sessions(), valkey_backend.claims(), valkey_backend.keys
    former = cache.flip(0, cache.begin(0, b"0"), b"1")
    abandoned = cache.begin(0, b"2")
    filled = cache.begin(1, b"0")
    generation = claims.begin("stream 1")
    assert generation is not None
    with limited(valkey_backend, 1):
        valkey_backend.directory().describe(2, {"aa": "{}"})
        assert valkey_backend.exists(keys.meta())
        claims.finish(generation)
        claims.finish(generation)  # its lease is gone with the first
        assert claims.holders([]) == (generation, {})
        assert claims.begin("stream 2") is not None
        assert not valkey_backend.exists(keys.holders(generation))
        first = cache.flip(1, filled, b"1")
        assert cache.read(1) == first
        fresh = cache.begin(0, b"3")
        assert not valkey_backend.exists(keys.sessions(0, abandoned.generation))
        assert cache.check({0: former, 1: first}) == set()
        with pytest.raises(CacheUnavailable, match="OOM"):
            cache.write({0: Write(former, b"next", {b"1:a": b"A"})})
        assert cache.check({0: former, 1: first}) == set()
        current = cache.flip(0, fresh, b"4")
        assert cache.read(0) == current
        assert not valkey_backend.exists(keys.sessions(0, former.generation))
