"""Batches that are cut, and what a batch asks of Redis."""

from collections.abc import Mapping

import pytest
from fakes.service import HARSH, LIMITS, PARTITIONS, Service, World, partition_of

from processor.bootstrap.wiring import Limits
from processor.demo.traffic import updates
from processor.ports.log import BatchAborted, Record, Topic
from processor.ports.sessions import Want

LARGE = LIMITS._replace(max_batch=500)


def batches(service: Service) -> float:
    return service.counted("batch_records_count")


def ready(world: World, limits: Limits) -> Service:
    service = world.service(limits)
    service.run_until_processed()
    return service


@pytest.mark.parametrize(
    "limits",
    [
        LARGE._replace(cache=0, load=1),
        LARGE._replace(cache=0, load=2_000),
        LARGE._replace(fold=1),
        LARGE._replace(fold=3_000),
        LARGE._replace(cache=0, load=2_000, fold=3_000),
    ],
    ids=str,
)
@pytest.mark.parametrize("compiled", [True, False])
def test_a_batch_that_is_large_is_cut_into_transactions(
    world: World, limits: Limits, *, compiled: bool
) -> None:
    service = world.service(limits, compiled=compiled)
    service.run_until_processed()
    world.feed_harsh(200, seed=1)
    service.run_until_processed()
    world.feed_harsh(200, seed=1)  # the same sessions again, now from Redis
    service.run_until_processed()
    assert batches(service) > 4
    world.assert_exact()


def test_a_batch_within_its_limits_is_one_transaction(world: World) -> None:
    service = ready(world, LARGE)
    world.feed_harsh(200, seed=1)
    service.run_until_processed()
    assert batches(service) == 1
    world.assert_exact()


def test_no_record_is_read_again_for_a_cut(world: World) -> None:
    service = ready(world, LARGE._replace(fold=1))
    world.feed_harsh(100, seed=1)
    took: list[Record] = []
    take = service.subscription.take

    def noted(limit: int, wait: float) -> list[Record]:
        records = take(limit, wait)
        took.extend(records)
        return records

    service.subscription.take = noted  # type: ignore[method-assign]
    service.run_until_processed()
    assert len(took) == 100


def test_an_abort_within_a_cut_batch_keeps_what_was_committed(world: World) -> None:
    service = ready(world, LARGE._replace(fold=1))
    world.feed_harsh(100, seed=1)
    passes: list[int] = []

    def third_fails() -> None:
        passes.append(1)
        if len(passes) == 3:
            raise BatchAborted("no")

    world.broker.at("commit", third_fails, times=3)
    service.run_until_processed()
    assert len(passes) == 3
    assert service.counted("aborts_total") == 1
    world.assert_exact()


def test_a_session_in_the_cache_is_not_asked_of_redis(world: World) -> None:
    service = ready(world, LARGE)
    world.feed_harsh(100, seed=1)
    service.run_until_processed()
    asked: list[bytes] = []
    load = service.cache.load

    def noted(wants: Mapping[int, Want], limit: int) -> dict[int, list[bytes | None]]:
        asked.extend(key for want in wants.values() for key in want.keys)
        return load(wants, limit)

    service.cache.load = noted  # type: ignore[method-assign]
    known = {key for p in range(PARTITIONS) for key in world.stored(p)}
    again = [
        update
        for update in updates(100, seed=1, mix=HARSH, partition=partition_of)
        if update.key in known
    ]
    world.feed(again)
    service.run_until_processed()
    assert not known & set(asked)
    world.assert_exact()


def test_an_aborted_batch_leaves_no_trace_in_the_cache(world: World) -> None:
    service = ready(world, LARGE)
    world.feed_harsh(50, seed=1)
    service.run_until_processed()
    before = service.records.size
    sizes: list[int] = []

    def fail() -> None:
        sizes.append(service.records.size)
        raise BatchAborted("no")

    world.broker.at("commit", fail)
    world.broker.at("abort", lambda: sizes.append(service.records.size))
    world.feed_harsh(50, seed=2)
    service.run_until_processed()
    assert sizes == [before, before]
    assert service.records.size > before


def test_only_rejects_ask_redis_for_nothing_and_move_the_offset(world: World) -> None:
    service = ready(world, LIMITS)
    before = world.server.text(world.keys.current(0))
    for partition in range(PARTITIONS):
        world.feed(
            update._replace(value=b"not avro", partition=partition)
            for update in updates(5, seed=1, partition=partition_of)
        )
    service.run_until_processed()
    oracle = world.assert_exact()
    assert sum(len(each.dead_letters) for each in oracle.values()) == 20
    assert world.records(Topic.SESSIONS, 0) == []
    assert service.counted("cache_misses_total") == 0
    assert world.server.text(world.keys.current(0)) == before
