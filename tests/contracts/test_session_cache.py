"""What every session cache does: the suite of the port `SessionCache`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.redis import FakeSessionCache
from fakes.redis_server import FakeServer

from processor.ports.sessions import CacheLost, CacheUnavailable, Stamp, Want, Write
from processor.redis.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fakes.backends import Backend

    from processor.ports.sessions import SessionCache

pytest_plugins = ["fakes.backends"]

ALL = 1_000_000


def restored(
    cache: SessionCache, partition: int = 0, snapshots: Mapping[bytes, bytes] | None = None
) -> Stamp:
    """Put a restored generation in place, as the owner of the partition does."""
    stamp = cache.begin(partition, b"restore 0")
    cache.fill(partition, Write(stamp, b"restore 1", dict(snapshots or {})))
    return cache.flip(partition, Stamp(stamp.generation, b"restore 1"), b"restored")


def test_nothing_stands_at_first(backend: Backend) -> None:
    assert backend.sessions().read(0) is None


def test_a_restored_generation_stands_with_its_snapshots(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = restored(cache, snapshots={b"1:a": b"A"})
    assert stamp.checkpoint == b"restored"
    assert backend.sessions().read(0) == stamp
    assert cache.load({0: Want(stamp, [b"1:a", b"1:b"])}, ALL) == {0: [b"A", None]}


def test_an_unfinished_generation_is_not_current(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = cache.begin(0, b"restore")
    assert cache.read(0) is None
    assert cache.check({0: stamp}) == {0}
    with pytest.raises(CacheLost):
        cache.load({0: Want(stamp, [b"1:a"])}, ALL)
    with pytest.raises(CacheLost):
        cache.write({0: Write(stamp, b"next", {b"1:a": b"A"})})


def test_the_current_generation_serves_while_another_is_filled(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = restored(cache, snapshots={b"1:a": b"A"})
    fresh = cache.begin(0, b"again 0")
    assert fresh.generation != stamp.generation
    cache.fill(0, Write(fresh, b"again 1", {b"1:a": b"B"}))
    assert cache.load({0: Want(stamp, [b"1:a"])}, ALL) == {0: [b"A"]}


def test_a_flip_unlinks_the_former_generation(backend: Backend) -> None:
    cache = backend.sessions()
    former = restored(cache)
    current = restored(cache)
    assert cache.check({0: former}) == {0}
    assert not backend.exists(backend.keys.sessions(0, former.generation))
    assert backend.exists(backend.keys.sessions(0, current.generation))


def test_beginning_unlinks_an_unfinished_attempt_but_never_the_current_one(
    backend: Backend,
) -> None:
    cache = backend.sessions()
    current = restored(cache)
    abandoned = cache.begin(0, b"one")
    assert backend.exists(backend.keys.sessions(0, abandoned.generation))
    cache.begin(0, b"two")
    assert not backend.exists(backend.keys.sessions(0, abandoned.generation))
    assert cache.check({0: current}) == set()
    with pytest.raises(CacheLost):
        cache.fill(0, Write(abandoned, b"more", {}))
    with pytest.raises(CacheLost):
        cache.flip(0, abandoned, b"done")


def test_what_was_left_unfinished_is_unlinked_and_the_current_one_stays(backend: Backend) -> None:
    cache = backend.sessions()
    cache.drop_unfinished(0)
    first = cache.begin(0, b"first")
    cache.drop_unfinished(0)
    assert backend.exists(backend.keys.sessions(0, first.generation))
    current = cache.flip(0, first, b"done")
    cache.drop_unfinished(0)
    abandoned = cache.begin(0, b"one")
    cache.drop_unfinished(0)
    assert not backend.exists(backend.keys.sessions(0, abandoned.generation))
    assert cache.check({0: current}) == set()
    with pytest.raises(CacheLost):
        cache.fill(0, Write(abandoned, b"more", {}))
    restored(cache)


def test_beginning_unlinks_what_a_lost_pointer_named(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = restored(cache)
    backend.delete(backend.keys.current(0))
    cache.begin(0, b"again")
    assert not backend.exists(backend.keys.sessions(0, stamp.generation))


def test_a_flip_may_be_repeated(backend: Backend) -> None:
    """Its answer may have been lost."""
    cache = backend.sessions()
    stamp = cache.begin(0, b"restore")
    assert cache.flip(0, stamp, b"done") == cache.flip(0, stamp, b"done") == cache.read(0)


def test_a_flip_under_another_checkpoint_is_refused(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = cache.begin(0, b"restore")
    with pytest.raises(CacheLost):
        cache.flip(0, Stamp(stamp.generation, b"another"), b"done")
    assert cache.read(0) is None


def test_a_write_sets_deletes_and_moves_the_checkpoint(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = restored(cache, snapshots={b"1:a": b"A", b"1:b": b"B", b"1:c": b"\xc3\x28\x00"})
    cache.write({0: Write(stamp, b"next", {b"1:a": b"A2", b"1:b": None, b"1:d": b"D"})})
    after = Stamp(stamp.generation, b"next")
    assert cache.read(0) == after
    loaded = cache.load({0: Want(after, [b"1:a", b"1:b", b"1:c", b"1:d"])}, ALL)
    assert loaded == {0: [b"A2", None, b"\xc3\x28\x00", b"D"]}


def test_a_write_of_nothing_moves_the_checkpoint(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = restored(cache)
    cache.write({0: Write(stamp, b"next", {})})
    assert cache.read(0) == Stamp(stamp.generation, b"next")


def test_a_write_that_was_done_already_succeeds(backend: Backend) -> None:
    cache = backend.sessions()
    write = Write(restored(cache), b"next", {b"1:a": b"A"})
    cache.write({0: write})
    cache.write({0: write})
    assert cache.read(0) == Stamp(write.stamp.generation, b"next")


def test_a_fill_may_be_repeated(backend: Backend) -> None:
    cache = backend.sessions()
    write = Write(cache.begin(0, b"0"), b"1", {b"1:a": b"A"})
    cache.fill(0, write)
    cache.fill(0, write)
    cache.flip(0, Stamp(write.stamp.generation, b"1"), b"done")


def test_a_stale_owner_writes_nothing(backend: Backend) -> None:
    former, owner = backend.sessions(), backend.sessions()
    stamp = restored(former, snapshots={b"1:a": b"A"})
    owner.write({0: Write(stamp, b"the owner's", {})})
    with pytest.raises(CacheLost) as refused:
        former.write({0: Write(stamp, b"the former's", {b"1:a": b"stale"})})
    assert refused.value.partitions == {0}
    stands = Stamp(stamp.generation, b"the owner's")
    assert owner.load({0: Want(stands, [b"1:a"])}, ALL) == {0: [b"A"]}


def test_an_empty_record_key_is_refused(backend: Backend) -> None:
    """It would name the checkpoint."""
    cache = backend.sessions()
    with pytest.raises(ValueError, match="checkpoint"):
        cache.write({0: Write(restored(cache), b"next", {b"": b"A"})})


def test_partitions_are_written_and_loaded_each_for_itself(backend: Backend) -> None:
    """The lost ones are named, the others are written."""
    cache = backend.sessions()
    stamps = {partition: restored(cache, partition) for partition in range(4)}
    stamps[1] = Stamp(stamps[1].generation, b"another")
    stamps[3] = Stamp("another", stamps[3].checkpoint)
    assert cache.check(stamps) == {1, 3}
    with pytest.raises(CacheLost) as lost:
        cache.write({p: Write(stamps[p], b"next", {b"1:a": b"%d" % p}) for p in stamps})
    assert lost.value.partitions == {1, 3}
    standing = {p: Stamp(stamps[p].generation, b"next") for p in (0, 2)}
    loaded = cache.load({p: Want(standing[p], [b"1:a"]) for p in (2, 0)}, ALL)
    assert loaded == {0: [b"0"], 2: [b"2"]}
    with pytest.raises(CacheLost) as lost:
        cache.load({p: Want(stamps[p], []) for p in stamps}, ALL)
    assert lost.value.partitions == {0, 1, 2, 3}


def test_no_partitions_are_no_work(backend: Backend) -> None:
    cache = backend.sessions()
    assert cache.load({}, ALL) == {}
    assert cache.check({}) == set()
    cache.write({})


@pytest.mark.parametrize(("limit", "count"), [(0, 1), (9, 1), (10, 3), (15, 3), (20, 4), (ALL, 5)])
def test_a_load_ends_after_the_value_that_passes_the_limit(
    backend: Backend, limit: int, count: int
) -> None:
    """The values before a value have not passed the limit; one that is absent weighs nothing."""
    cache = backend.sessions()
    values = {b"1:a": b"a" * 10, b"1:c": b"c" * 10, b"1:d": b"d" * 10, b"1:e": b"e" * 10}
    keys = [b"1:a", b"1:b", b"1:c", b"1:d", b"1:e"]
    stamp = restored(cache, snapshots=values)
    loaded = cache.load({0: Want(stamp, keys)}, limit)[0]
    assert loaded == [values.get(key) for key in keys[:count]]


def lose_pointer(backend: Backend, stamp: Stamp) -> None:
    del stamp
    backend.delete(backend.keys.current(0))


def lose_hash(backend: Backend, stamp: Stamp) -> None:
    backend.delete(backend.keys.sessions(0, stamp.generation))


def lose_checkpoint(backend: Backend, stamp: Stamp) -> None:
    backend.delete(backend.keys.sessions(0, stamp.generation), b"")


def lose_everything(backend: Backend, stamp: Stamp) -> None:
    del stamp
    backend.flush()


@pytest.mark.parametrize(
    "lose", [lose_pointer, lose_hash, lose_checkpoint, lose_everything], ids=lambda f: f.__name__
)
def test_a_loss_is_seen_and_healed_by_a_restore(
    backend: Backend, lose: Callable[[Backend, Stamp], None]
) -> None:
    cache = backend.sessions()
    stamp = restored(cache, snapshots={b"1:a": b"A", b"1:b": b"B"})
    lose(backend, stamp)
    assert cache.read(0) is None
    assert cache.check({0: stamp}) == {0}
    with pytest.raises(CacheLost):
        cache.load({0: Want(stamp, [b"1:a"])}, ALL)
    with pytest.raises(CacheLost):
        cache.write({0: Write(stamp, b"next", {b"1:a": b"A2"})})
    fresh = restored(cache, snapshots={b"1:a": b"A"})
    assert fresh.generation != stamp.generation
    assert cache.load({0: Want(fresh, [b"1:a", b"1:b"])}, ALL) == {0: [b"A", None]}


def test_a_generation_lost_while_it_is_filled_is_seen(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = cache.begin(0, b"restore")
    backend.flush()
    with pytest.raises(CacheLost):
        cache.fill(0, Write(stamp, b"next", {}))
    with pytest.raises(CacheLost):
        cache.flip(0, stamp, b"done")


def test_a_server_that_is_away_is_unavailable_and_works_again_by_itself(backend: Backend) -> None:
    cache = backend.sessions()
    stamp = restored(cache, snapshots={b"1:a": b"A"})
    backend.go_away()
    with pytest.raises(CacheUnavailable):
        cache.read(0)
    with pytest.raises(CacheUnavailable):
        cache.load({0: Want(stamp, [b"1:a"])}, ALL)
    with pytest.raises(CacheUnavailable):
        cache.write({0: Write(stamp, b"next", {})})
    with pytest.raises(CacheUnavailable):
        cache.check({0: stamp})
    backend.come_back()
    assert cache.load({0: Want(stamp, [b"1:a"])}, ALL) == {0: [b"A"]}


def test_the_fake_can_lose_its_last_write() -> None:
    """As a failover does; what the write moved is seen by the next call."""
    server, keys = FakeServer(), Keys("fake")
    cache = FakeSessionCache(server, keys)
    stamp = restored(cache, snapshots={b"1:a": b"A", b"1:b": b"B"})
    cache.write({0: Write(stamp, b"next", {b"1:a": b"A2", b"1:b": None, b"1:c": b"C"})})
    server.lose_last_write()
    with pytest.raises(CacheLost):
        cache.load({0: Want(Stamp(stamp.generation, b"next"), [])}, ALL)
    loaded = cache.load({0: Want(stamp, [b"1:a", b"1:b", b"1:c"])}, ALL)
    assert loaded == {0: [b"A", b"B", None]}
