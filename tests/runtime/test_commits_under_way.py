"""A batch is folded while the commit of the one before it is under way."""

import gc
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import pytest
from fakes.redis import FakeClaims
from fakes.service import LIMITS, PARTITIONS, Service, World, partition_of
from golden import encoded, update
from session_commands import erase

from processor.core.trace_context import TraceContext
from processor.dead_letters.limits import FloodLimits
from processor.demo.traffic import DemoUpdate, Mix, updates
from processor.errors import Forbidden
from processor.ports.claims import ClaimsPending, Place
from processor.ports.log import (
    BatchAborted,
    LogUnavailable,
    Outgoing,
    ProducerLost,
    Record,
    Topic,
)
from processor.ports.sessions import CacheUnavailable
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots
from processor.ports.tracing import Sampled, TracedUpdate
from processor.runtime.batch_limit import SLOW_S
from processor.stages.batch import Decoded

TEN = LIMITS._replace(max_batch=10)
ACCEPTED = Mix(rejects=0.0, duplicates=0.0, too_large_every=10**9)


@pytest.fixture
def service(world: World) -> Service:
    """Return one that owns all partitions, and has nothing to do but to take records."""
    service = world.service(TEN)
    service.run_until_processed()
    return service


def fails() -> None:
    raise BatchAborted("refused")


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
    feed(world)
    service.turn()
    world.broker.at("commit", fails)
    service.turn()
    assert not service.pipeline.committing
    assert published(world) == 0
    service.run_until_processed()
    assert service.metrics.aborts._value.get() == 1
    world.assert_exact()


@pytest.fixture
def refused_seek(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next seek is refused, as the client does where a fetch has met an error."""

    def seek(_positions: object) -> None:
        monkeypatch.undo()
        raise LogUnavailable("erroneous state")

    monkeypatch.setattr(service.subscription, "seek", seek)


@pytest.mark.usefixtures("refused_seek")
def test_a_rebalance_is_followed_where_the_commit_before_it_fails(
    world: World, service: Service
) -> None:
    feed(world)
    service.turn()
    other = world.service(TEN)
    other.turn()
    world.broker.at("commit", fails)
    for _ in range(30):
        try:
            service.turn()
        except LogUnavailable as fault:
            service._runner._read_again(fault)
        other.turn()
    assert service.pipeline.owned.keys() | other.pipeline.owned.keys() == set(range(PARTITIONS))
    assert not service.pipeline.owned.keys() & other.pipeline.owned.keys()


@pytest.mark.usefixtures("refused_seek")
def test_a_commit_that_fails_at_the_end_ends_nothing_by_itself(
    world: World, service: Service
) -> None:
    feed(world)
    world.broker.at("commit", fails)
    service.run_until(lambda: bool(service.pipeline.committing))
    assert published(world) == 0


@pytest.mark.usefixtures("refused_seek")
def test_a_commit_that_fails_after_a_poll_that_failed_ends_nothing_by_itself(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking = service.subscription.take

    def take(_limit: int, _wait: float) -> list[Record]:
        monkeypatch.setattr(service.subscription, "take", taking)
        raise LogUnavailable("away")

    feed(world)
    service.turn()
    world.broker.at("commit", fails)
    monkeypatch.setattr(service.subscription, "take", take)
    service.run_until_processed()
    world.assert_exact()


def test_a_partition_that_the_commit_halts_gives_no_claims_up(world: World) -> None:
    """The record that is to end them does not come for as long as it is halted."""
    limits = TEN._replace(flood=FloodLimits(consecutive=8))
    service = world.service(limits)
    service.run_until_processed()
    key = b"1:cart-17"
    give(world, key, encoded(update(1, profileId="ada")))
    service.run_until_processed()
    give(world, key, *[b"rubbish"] * 10)
    service.turn()
    assert service.pipeline.committing
    give(world, key, erase(key, forget=("ada",)))
    service.turn()
    assert service.halts.partitions
    assert service.claims.holders(["1:ada"])[1] == {"1:ada": key.decode()}


def test_a_fold_that_takes_long_is_not_done_twice(world: World, service: Service) -> None:
    decoded: list[int] = []
    decode = service.pipeline._decode

    def slowly(records: Sequence[Record]) -> list[Decoded]:
        decoded.append(len(records))
        world.clock.wait(2.1)
        return decode(records)

    service.pipeline._decode = slowly
    feed(world)
    service.run_until_processed()
    assert sum(decoded) == 60


def test_a_batch_that_is_late_counts_from_its_beginning(world: World, service: Service) -> None:
    """Of the time that a transaction may last, most was spent before its commit."""
    sending = service.publication.send

    def slowly(records: Sequence[Outgoing], snapshots: Snapshots = NO_SNAPSHOTS) -> None:
        world.clock.wait(SLOW_S)
        sending(records, snapshots)

    def times_out() -> None:
        raise ProducerLost("the transaction timed out")

    service.publication.send = slowly  # type: ignore[method-assign]
    feed(world)
    service.turn()
    world.broker.at("commit", times_out)
    service.turn()
    assert service._runner._limit.records == 5


def test_redis_is_waited_for_once_where_it_hangs(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def hang(_wants: object, _limit: int = 0) -> None:
        asked.append("asked")
        raise CacheUnavailable("timed out")

    feed(world)
    service.turn()
    for call in ("load", "write"):
        monkeypatch.setattr(service.cache, call, hang)
    service.turn()
    monkeypatch.undo()
    assert len(asked) == 1
    assert published(world) == 10
    service.run_until_processed()
    world.assert_exact()


def test_of_a_commit_that_failed_nothing_is_held(world: World, service: Service) -> None:
    with ThreadPoolExecutor(1) as service.pipeline._commits._executor:
        feed(world)
        world.broker.at("commit", fails)
        gc.disable()
        try:
            service.turn()
            commit = service.pipeline._commits._commit
            assert commit is not None
            batch = ref(commit.batch)
            del commit
            service.turn()
            assert batch() is None
        finally:
            gc.enable()


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


def test_a_commit_is_noted_and_stored_before_a_fault_ends_the_process(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(_limit: int, _wait: float) -> list[Record]:
        raise Forbidden("not allowed any more")

    feed(world)
    service.turn()
    concerned = {each.partition for each in service.pipeline.committing}
    monkeypatch.setattr(service.subscription, "take", take)
    with pytest.raises(Forbidden):
        service.run_until(lambda: False)
    assert published(world) == 10
    assert all(world.stored(each) for each in concerned)


def test_what_is_measured_of_a_commit_has_the_trace_of_its_own_batch(world: World) -> None:
    """The batch after it is folded by then, and has another."""

    class EachFirst:
        def __init__(self) -> None:
            self.told: list[bool] = []
            self.asked = 0

        def sampled(self, records: Sequence[Record]) -> Sequence[Sampled]:
            self.asked += 1
            return [Sampled(0, records[0], TraceContext(f"{self.asked:032x}", "1" * 16, 1, ""))]

        def committed(
            self, updates: Sequence[TracedUpdate], _records: int, _seconds: float
        ) -> None:
            exemplar = traced.metrics._exemplar
            assert exemplar is not None
            self.told.append(exemplar["trace_id"] == updates[0].context.trace_id)

    tracing = EachFirst()
    traced = world.service(TEN, tracing=tracing)
    traced.run_until_processed()
    feed(world)
    traced.run_until_processed()
    assert len(tracing.told) > 3
    assert all(tracing.told)
