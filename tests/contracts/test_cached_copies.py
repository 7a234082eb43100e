"""What a reader of all that is cached owes: the suite of the port `CachedCopies`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.ports.claims import Place
from processor.ports.sessions import CacheUnavailable, Write

if TYPE_CHECKING:
    from fakes.backends import Backend

pytest_plugins = ["fakes.backends"]


def test_every_generation_is_read_and_every_claim(backend: Backend) -> None:
    cache, copies = backend.sessions(), backend.copies()
    assert [*copies.sessions(3), *copies.claims()] == []
    for checkpoint, finished in ((b"former", True), (b"current", True), (b"unfinished", False)):
        stamp = cache.begin(3, checkpoint)
        many = {b"%s of %d" % (checkpoint, n): b"value" for n in range(1_200)}
        cache.fill(3, Write(stamp, checkpoint, many))
        if finished:
            cache.flip(3, stamp, checkpoint)
    found = dict(copies.sessions(3))
    assert {key.partition(b" ")[0] for key in found} == {b"current", b"unfinished"}
    assert len(found) == 2_400
    assert [*copies.sessions(2)] == []

    claims = backend.claims()
    generation = claims.begin("stream")
    assert generation
    claims.fill(generation, {b"1:ann": b"1:a", b"1:bob": b"1:b", "1:\u00fc".encode(): b""})
    claims.finish(generation)
    place = Place(3, 5, claims.own(3, 0))
    claims.give_up(generation, "1:a", place, {"1:ann": None})
    assert sorted(copies.claims()) == [
        ("1:ann", ""),
        ("1:ann", ""),
        ("1:bob", "1:b"),
        ("1:\u00fc", ""),
    ]


def test_a_server_that_is_away_is_not_taken_for_empty(backend: Backend) -> None:
    copies = backend.copies()
    backend.go_away()
    with pytest.raises(CacheUnavailable):
        [*copies.sessions(0)]
    with pytest.raises(CacheUnavailable):
        [*copies.claims()]
    backend.come_back()
    assert [*copies.sessions(0)] == []
