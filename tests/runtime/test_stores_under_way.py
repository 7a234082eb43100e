"""What was committed is stored in Redis while the batch after it is published."""

import pytest
from fakes.service import LIMITS, PARTITIONS, Service, World, partition_of
from golden import encoded, update

from processor.demo.traffic import DemoUpdate
from processor.ports.claims import ClaimsNotReady
from processor.ports.log import BatchAborted, ProducerLost
from processor.ports.sessions import CacheLost, CacheUnavailable

TEN = LIMITS._replace(max_batch=10)
VISITS = ("cart-17", "cart-18", "cart-19")
"""Of one partition each."""
FIRST, SECOND, THIRD = (partition_of(f"1:{visit}".encode()) for visit in VISITS)


@pytest.fixture
def service(world: World) -> Service:
    """Return one that has all three visits to take, a full poll each, and nothing else to do."""
    service = world.service(TEN)
    service.run_until_processed()
    return service


def give(world: World, visit: str, updates: int = 10) -> None:
    key = f"1:{visit}".encode()
    values = (encoded(update(each, visit)) for each in range(updates))
    world.feed(DemoUpdate(key, value, (), 1_000, partition_of(key)) for value in values)


def take(world: World, service: Service, *visits: str) -> None:
    for visit in visits:
        give(world, visit)
        service.turn()


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, fault: Exception) -> None:
    """Have the next call raise the fault; it ends whatever else is patched."""

    def fails(*_: object) -> None:
        monkeypatch.undo()
        raise fault

    monkeypatch.setattr(owner, name, fails)


def test_a_batch_is_stored_beside_the_one_after_it(world: World, service: Service) -> None:
    take(world, service, *VISITS[:2])
    assert service.pipeline.owned[FIRST].position.offset == 10
    assert service.pipeline.under_way == {FIRST, SECOND}
    assert not world.stored(FIRST)
    take(world, service, VISITS[2])
    assert world.stored(FIRST)
    assert service.pipeline.under_way == {SECOND, THIRD}


def test_a_session_is_loaded_once_it_is_stored(world: World, service: Service) -> None:
    """Else another checkpoint stands there than the one that the load expects."""
    take(world, service, *VISITS[:2])
    give(world, VISITS[0], 1)  # a duplicate
    key = b"1:cart-20"  # another session of the first batch's partition, which is nowhere yet
    while partition_of(key) != FIRST:
        key += b"0"
    world.feed([DemoUpdate(key, encoded(update(1, key[2:].decode())), (), 1_000, FIRST)])
    service.run_until_processed()
    assert service.metrics.store_failures._value.get() == 0
    world.assert_exact()


def test_nothing_is_under_way_where_no_commit_is(world: World, service: Service) -> None:
    take(world, service, *VISITS[:2])
    service.turn()
    assert not service.pipeline.under_way
    assert world.stored(FIRST)
    assert world.stored(SECOND)


def test_a_batch_whose_store_fails_is_restored_with_those_after_it(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(world, service, *VISITS[:2])
    fail_once(monkeypatch, service.cache, "write", CacheUnavailable("away"))
    take(world, service, VISITS[2])
    assert len(service.pipeline.owned) == PARTITIONS - 3
    assert not service.pipeline.under_way
    service.run_until_processed()
    world.assert_exact()


def test_a_store_that_finds_the_cache_lost_is_restored(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(world, service, *VISITS[:2])
    fail_once(monkeypatch, service.cache, "write", CacheLost(frozenset({FIRST})))
    take(world, service, VISITS[2])
    assert FIRST not in service.pipeline.owned
    assert world.broker.committed[SECOND].offset == 10
    service.run_until_processed()
    assert service.metrics.store_failures._value.get() == 1
    world.assert_exact()


@pytest.mark.parametrize("step", ["begin", "send"])
def test_a_store_is_awaited_where_the_batch_beside_it_fails(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What follows restores partitions or gives them up."""
    take(world, service, VISITS[0])
    fail_once(monkeypatch, service.publication, step, BatchAborted("refused"))
    take(world, service, VISITS[1])
    assert not service.pipeline.under_way
    assert world.stored(FIRST)
    service.run_until_processed()
    world.assert_exact()


@pytest.mark.parametrize("fault", [BatchAborted, ProducerLost])
def test_a_store_that_fails_beside_a_batch_that_does_is_restored(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    def fails() -> None:
        raise fault("refused")

    take(world, service, VISITS[0])
    monkeypatch.setattr(service.publication, "begin", fails)
    fail_once(monkeypatch, service.cache, "write", CacheUnavailable("away"))
    take(world, service, VISITS[1])
    assert FIRST not in service.pipeline.owned
    service.run_until_processed()
    world.assert_exact()


@pytest.mark.parametrize("fault", [CacheUnavailable("away"), CacheLost(frozenset({FIRST}))])
@pytest.mark.parametrize("behind", [BatchAborted, ClaimsNotReady])
def test_a_store_that_fails_is_told_where_the_commit_behind_it_fails_too(
    world: World,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    behind: type[Exception],
) -> None:
    def refused(*_: object) -> None:
        raise behind("refused")

    def lacks(_writes: object) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(service.publication, "flush", refused)
        raise fault

    take(world, service, VISITS[0])
    monkeypatch.setattr(service.cache, "write", lacks)
    take(world, service, *VISITS[1:3])
    monkeypatch.undo()
    assert FIRST not in service.pipeline.owned
    assert not service.pipeline.under_way
    service.run_until_processed()
    world.assert_exact()


def test_a_batch_is_counted_where_the_store_before_it_fails(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(world, service, VISITS[0])
    fail_once(monkeypatch, service.cache, "write", CacheUnavailable("away"))
    take(world, service, VISITS[1])
    service.turn()
    accepted = service.metrics.registry.get_sample_value(
        "session_processor_records_total", {"outcome": "accepted"}
    )
    assert accepted == 20
    assert not {FIRST, SECOND} & service.pipeline.owned.keys()
    service.run_until_processed()
    world.assert_exact()
