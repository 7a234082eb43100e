"""A batch is folded while the commit of the one before it is under way."""

from collections.abc import Mapping

import pytest
from fakes.redis import FakeClaims
from fakes.service import LIMITS, PARTITIONS, Service, World, partition_of
from golden import encoded, update
from session_commands import erase

from processor.demo.traffic import DemoUpdate, Mix, updates
from processor.ports.claims import ClaimsPending, Place
from processor.ports.log import BatchAborted, Topic
from processor.ports.sessions import CacheUnavailable

TEN = LIMITS._replace(max_batch=10)
ACCEPTED = Mix(rejects=0.0, duplicates=0.0, too_large_every=10**9)


@pytest.fixture
def service(world: World) -> Service:
    """Return one that owns all partitions, and has nothing to do but to take records."""
    service = world.service(TEN)
    service.run_until_processed()
    return service


def feed(world: World, count: int = 60) -> None:
    world.feed(updates(count, seed=5, partition=partition_of, mix=ACCEPTED))


def give(world: World, key: bytes, *values: bytes) -> None:
    world.feed(DemoUpdate(key, value, (), 1_000, partition_of(key)) for value in values)


def published(world: World) -> int:
    return sum(len(world.records(Topic.SESSIONS, each)) for each in range(PARTITIONS))


def test_a_full_polls_commit_is_under_way_until_the_next_is_folded(
    world: World, service: Service
) -> None:
    feed(world)
    service.turn()
    assert len(service.pipeline.committing) == 10
    assert published(world) == 0
    service.turn()
    assert len(service.pipeline.committing) == 10
    assert published(world) == 10
    service.run_until_processed()
    assert not service.pipeline.committing
    world.assert_exact()


def test_nothing_is_left_under_way_at_the_end(world: World, service: Service) -> None:
    feed(world)
    service.run_until(lambda: bool(service.pipeline.committing))
    assert not service.pipeline.committing
    assert published(world) == 10


def test_of_a_poll_that_is_not_full_nothing_is_under_way(world: World, service: Service) -> None:
    feed(world, 9)
    service.turn()
    assert not service.pipeline.committing
    assert published(world) == 9


def test_with_a_commit_that_fails_the_batch_after_it_has_failed(
    world: World, service: Service
) -> None:
    def fails() -> None:
        raise BatchAborted("refused")

    feed(world)
    service.turn()
    world.broker.at("commit", fails)
    service.turn()
    assert not service.pipeline.committing
    assert published(world) == 0
    service.run_until_processed()
    assert service.metrics.aborts._value.get() == 1
    world.assert_exact()


def test_a_batch_whose_store_fails_is_restored_with_the_one_after_it(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_writes: object) -> None:
        monkeypatch.undo()
        raise CacheUnavailable("away")

    for visit in ("cart-17", "cart-18"):
        values = [encoded(update(each, visit)) for each in range(10)]
        give(world, f"1:{visit}".encode(), *values)
        monkeypatch.setattr(service.cache, "write", away)
        service.turn()
    assert len(service.pipeline.owned) == PARTITIONS - 2
    service.run_until_processed()
    world.assert_exact()


def test_an_erase_that_has_to_wait_leaves_no_commit_under_way(world: World) -> None:
    """The records after it are read again: from where the others are committed."""

    class Pending(FakeClaims):
        refuses = True

        def give_up(
            self, generation: str, session: str, place: Place, profiles: Mapping[str, str | None]
        ) -> dict[str, str]:
            if self.refuses:
                self.refuses = False
                raise ClaimsPending("another is about to end it")
            return super().give_up(generation, session, place, profiles)

    service = world.service(TEN, claims=Pending(world.server, world.keys))
    service.run_until_processed()
    visits = {partition_of(b"1:s-%d" % each): f"s-{each}" for each in range(50)}
    erased, other = (f"1:{visits[each]}".encode() for each in (0, 1))
    give(world, erased, encoded(update(1, visits[0], profileId="ada")))
    service.run_until_processed()
    give(world, erased, erase(erased, forget=("ada",)))
    give(world, other, *[encoded(update(each, visits[1])) for each in range(9)])
    service.turn()
    assert not service.pipeline.committing
    assert world.broker.committed[1].offset == 9
    service.run_until_processed()
    world.assert_exact()
