import pytest

from processor.state.record_cache import RecordCache

SMALL = 100
"""The length of a snapshot."""


def cost(key: bytes = b"a") -> int:
    cache = RecordCache(1_000_000)
    cache.own(0)
    cache.put(0, {key: bytes(SMALL)})
    return cache.size


def test_an_entry_costs_more_than_the_bytes_of_its_key_and_its_snapshot() -> None:
    assert cost() > 1 + SMALL + 200
    assert cost(b"a" * 1_001) == cost() + 1_000


def test_what_was_put_is_there_until_the_partition_is_dropped() -> None:
    cache = RecordCache(1_000_000)
    cache.own(0)
    cache.own(1)
    session = bytes(SMALL)
    cache.put(0, {b"1:a": session})
    assert cache.of(0).get(b"1:a") is session
    assert cache.of(1).get(b"1:a") is None
    assert cache.of(0).get(b"1:b") is None
    assert (cache.sessions, cache.size) == (1, cost(b"1:a"))
    cache.drop(0)
    cache.drop(0)
    assert (cache.sessions, cache.size) == (0, 0)
    with pytest.raises(KeyError):
        cache.of(0).get(b"1:a")


def test_what_is_owned_anew_is_empty() -> None:
    cache = RecordCache(1_000_000)
    cache.own(0)
    cache.put(0, {b"1:a": bytes(SMALL)})
    cache.own(0)
    assert cache.of(0).get(b"1:a") is None
    assert cache.size == 0


def test_the_longest_unwritten_go_first_by_bytes() -> None:
    cache = RecordCache(3 * cost())
    cache.own(0)
    for key in (b"a", b"b", b"c", b"a", b"d"):
        cache.put(0, {key: bytes(SMALL)})
    assert [key for key in (b"a", b"b", b"c", b"d") if cache.of(0).get(key)] == [b"a", b"c", b"d"]
    assert cache.size == 3 * cost()
    cache.put(0, {b"e": bytes(SMALL * 3)})
    assert cache.size <= 3 * cost()
    assert cache.of(0).get(b"e")
    assert cache.of(0).get(b"c") is None


def test_a_session_that_shrinks_gives_its_bytes_back() -> None:
    cache = RecordCache(1_000_000)
    cache.own(0)
    cache.put(0, {b"a": bytes(SMALL * 50)})
    cache.put(0, {b"a": bytes(SMALL)})
    assert cache.size == cost()


def test_what_is_larger_than_all_is_not_kept() -> None:
    cache = RecordCache(cost() - 1)
    cache.own(0)
    cache.put(0, {b"a": bytes(SMALL)})
    assert (cache.sessions, cache.size) == (0, 0)


def test_each_partition_has_an_equal_share() -> None:
    cache = RecordCache(4 * cost())
    cache.own(0)
    many = {b"%d" % n: bytes(SMALL) for n in range(9)}
    cache.put(0, many)
    assert cache.sessions == 4
    cache.own(1)
    cache.put(1, many)
    cache.put(0, {b"n": bytes(SMALL)})
    assert cache.sessions == 4
    assert cache.size == 4 * cost()
