"""Partitions that dead letters flood: they stand still until they are assigned anew."""

from collections.abc import Callable, Iterator

import pytest
from fakes.service import LIMITS, PARTITIONS, Service, World, partition_of
from structlog.testing import capture_logs

from processor.bootstrap.wiring import Limits
from processor.dead_letters.limits import FloodLimits
from processor.demo.traffic import DemoUpdate, Mix, updates
from processor.errors import TooManyDeadLetters
from processor.ports.log import ProducerLost, Record, Topic

IN_A_ROW = 5
FLOODED = 1
OTHERS = [each for each in range(PARTITIONS) if each != FLOODED]
ORDINARY = Mix(rejects=0.0, duplicates=0.0, too_large_every=10**9)
LIMITED = LIMITS._replace(max_batch=20, flood=FloodLimits(consecutive=IN_A_ROW))


def ordinary(count: int, seed: int) -> Iterator[DemoUpdate]:
    return updates(count, seed=seed, mix=ORDINARY, partition=partition_of)


def garbage(count: int, partition: int = FLOODED) -> Iterator[DemoUpdate]:
    return (DemoUpdate(b"1:x", b"garbage %d" % each, (), each, partition) for each in range(count))


def at(world: World, partition: int) -> int:
    return world.broker.committed[partition].offset


def end(world: World, partition: int) -> int:
    return world.broker.extent(Topic.UPDATES, partition).end


def others_processed(world: World) -> bool:
    return all(p in world.broker.committed and at(world, p) == end(world, p) for p in OTHERS)


def flooded(world: World, limits: Limits = LIMITED) -> Service:
    """Return a service of which one partition has halted, with more garbage to come."""
    world.feed(ordinary(200, seed=1))
    service = world.service(limits)
    service.run_until_processed()
    world.feed(garbage(100))
    service.run_until(lambda: bool(service.halts.partitions))
    return service


def assert_goes_on_without_it(world: World, service: Service, seed: int = 9) -> None:
    """See that the others process what comes, and that the halted one does not move."""
    stood = at(world, FLOODED)
    world.feed(ordinary(120, seed=seed))
    later = world.clock.now + 10
    service.run_until(lambda: others_processed(world) and world.clock.now > later)
    assert at(world, FLOODED) == stood < end(world, FLOODED)
    assert list(service.halts.partitions) == [FLOODED]
    assert service.subscription._paused == {FLOODED}
    assert service.owns(range(PARTITIONS))
    assert not service.health.ready().good


def assert_exact_without_limits(world: World, service: Service) -> None:
    service.subscription.close()
    for left in [*world.broker.open]:
        world.broker.end(left, commit=False)  # as the broker does when its time is over
    world.service().run_until_processed()
    world.assert_exact()


def assert_true_lag(world: World, service: Service) -> None:
    """See that the halted partition's lag comes to be what is left, which nobody fetches."""
    left = end(world, FLOODED) - at(world, FLOODED)
    assert left > 0
    until = world.clock.now + 20
    labels = {"partition": str(FLOODED)}
    service.run_until(
        lambda: service.counted("lag_records", labels) == left or world.clock.now > until
    )
    assert service.counted("lag_records", labels) == left


def test_the_batch_that_passes_the_limit_is_committed_and_the_next_is_not(world: World) -> None:
    service = flooded(world)
    letters = world.records(Topic.DEAD_LETTERS, FLOODED)
    assert IN_A_ROW < len(letters) <= LIMITED.max_batch
    assert at(world, FLOODED) == end(world, FLOODED) - 100 + len(letters)
    assert_goes_on_without_it(world, service)
    assert world.records(Topic.DEAD_LETTERS, FLOODED) == letters
    assert_exact_without_limits(world, service)


def test_at_the_limit_nothing_halts(world: World) -> None:
    service = world.service(LIMITED)
    world.feed(garbage(IN_A_ROW))
    service.run_until_processed()
    assert not service.halts.partitions
    world.feed(garbage(1))
    service.run_until(lambda: bool(service.halts.partitions))
    world.assert_exact()


def test_without_limits_nothing_is_counted(world: World) -> None:
    service = world.service()
    world.feed(garbage(500))
    service.run_until_processed()
    assert service.pipeline._commits._count is None
    assert service.halts._tallies == {}
    assert service.counted("halted", {"partition": "1"}) == 0
    world.assert_exact()


def test_the_rest_of_a_poll_is_left_where_a_partition_halts(world: World) -> None:
    """A poll that takes several transactions: none follows the one that passed the limit."""
    service = world.service(LIMITS._replace(max_batch=4_000, fold=2_000, flood=LIMITED.flood))
    service.run_until_processed()
    for some in zip(ordinary(200, seed=1), garbage(200), strict=True):
        world.feed(some)
    world.feed(ordinary(200, seed=2))
    service.run_until(lambda: others_processed(world))
    assert IN_A_ROW < len(world.records(Topic.DEAD_LETTERS, FLOODED)) < 200
    assert_goes_on_without_it(world, service)
    assert_true_lag(world, service)
    assert_exact_without_limits(world, service)


def test_the_ratio_halts_too_and_a_quiet_window_forgets(world: World) -> None:
    limits = FloodLimits(ratio=0.5, window=60.0, minimum=30)
    service = world.service(LIMITS._replace(flood=limits))
    world.feed(garbage(20))
    service.run_until_processed()
    later = world.clock.now + 61
    service.run_until(lambda: world.clock.now > later)
    world.feed(garbage(20))
    service.run_until_processed()
    assert not service.halts.partitions
    world.feed(garbage(20))
    service.run_until(lambda: bool(service.halts.partitions))
    assert service.counted("halts_total", {"limit": "ratio"}) == 1
    world.feed(garbage(5))
    assert_goes_on_without_it(world, service)


@pytest.mark.parametrize("fold", [2_000, 10**9])
def test_each_record_is_counted_once_as_what_it_became(world: World, fold: int) -> None:
    service = world.service(
        LIMITS._replace(max_batch=4_000, fold=fold, flood=FloodLimits(ratio=1.0))
    )
    world.feed_harsh(600, seed=3)
    service.run_until_processed()
    for partition, wanted in world.assert_exact().items():
        tally = service.halts._tallies[partition]
        assert tally.records.total() == len(world.records(Topic.UPDATES, partition))
        assert tally.letters.total() == len(wanted.dead_letters)


def test_duplicates_are_good_records(world: World) -> None:
    """An endless repetition of what was accepted is no flood, and ends a run of dead letters."""
    service = world.service(LIMITS._replace(flood=FloodLimits(ratio=0.2, minimum=0, consecutive=3)))
    (first,) = ordinary(1, seed=1)
    flood = first.partition
    assert flood is not None
    world.feed([first] * 100)
    for _ in range(5):
        bad = [each._replace(key=first.key) for each in garbage(2, flood)]
        world.feed([*bad, *([first] * 20)])
    service.run_until_processed()
    assert not service.halts.partitions
    assert service.counted("records_total", {"outcome": "duplicate"}) == 199
    assert service.counted("records_total", {"outcome": "rejected"}) == 10


# What is told


def test_it_is_told_once_everywhere(world: World) -> None:
    with capture_logs() as logs:
        service = flooded(world)
        assert_goes_on_without_it(world, service)
    (line,) = [each for each in logs if each["log_level"] == "error"]
    assert line["partition"] == FLOODED
    assert "PROCESSOR_MAX_CONSECUTIVE_DEAD_LETTERS=5" in line["why"]
    ready, body = service.health.ready()
    assert not ready
    assert list(body["reasons"]) == [f"dead letters of partition {FLOODED}"]  # type: ignore[call-overload]
    for told in ("PROCESSOR_MAX_CONSECUTIVE_DEAD_LETTERS=5", "dead-letters list", "again"):
        assert told in str(body["reasons"])
    assert service.health.live().good
    for partition in range(PARTITIONS):
        labels = {"partition": str(partition)}
        assert service.counted("halted", labels) == (partition == FLOODED)
    assert service.counted("halts_total", {"limit": "consecutive"}) == 1
    assert service.counted("halts_total", {"limit": "ratio"}) == 0


def test_what_the_client_had_at_hand_is_dropped(world: World) -> None:
    """A fetch may still deliver once, after the pause."""
    service = flooded(world)
    take = service.subscription.take
    late = next(world.broker.readable(Topic.UPDATES, FLOODED, at(world, FLOODED)))

    def deliver(limit: int, wait: float) -> list[Record]:
        return [late, *take(limit, wait)]

    service.subscription.take = deliver  # type: ignore[method-assign]
    assert_goes_on_without_it(world, service)


def test_its_lag_counts_from_what_is_committed(world: World) -> None:
    service = flooded(world)
    assert_goes_on_without_it(world, service)
    assert_true_lag(world, service)


# What does not wake it


def lose_redis(world: World, _: Service) -> None:
    world.server.flush()


def restart_redis(world: World, _: Service) -> None:
    world.server.restart()


def redis_away(world: World, _: Service) -> None:
    world.server.available = False
    world.clock.after(9.0, lambda: setattr(world.server, "available", True))


def kafka_away(world: World, _: Service) -> None:
    world.broker.available = False
    world.clock.after(9.0, lambda: setattr(world.broker, "available", True))


def lose_producer(world: World, _: Service) -> None:
    def lost() -> None:
        raise ProducerLost("gone")

    world.broker.at("committed", lost)


def fence(world: World, service: Service) -> None:
    world.broker.init(service.publication.identity())


INCIDENTS = [lose_redis, restart_redis, redis_away, kafka_away, lose_producer, fence]


@pytest.mark.parametrize("happen", INCIDENTS)
def test_no_incident_wakes_it(world: World, happen: Callable[[World, Service], None]) -> None:
    service = flooded(world)
    for seed in (11, 12, 13):
        happen(world, service)
        assert_goes_on_without_it(world, service, seed)
    assert service.counted("halts_total", {"limit": "consecutive"}) == 1
    assert_exact_without_limits(world, service)


def test_its_sessions_are_restored_though_it_stands(world: World) -> None:
    service = flooded(world)
    stored = world.stored(FLOODED)
    world.server.flush()
    assert_goes_on_without_it(world, service)
    assert world.stored(FLOODED) == stored != {}


@pytest.mark.parametrize("happen", INCIDENTS)
@pytest.mark.parametrize("step", ["flush", "commit", "committed"])
def test_an_incident_in_the_batch_that_floods_loses_nothing(
    world: World, step: str, happen: Callable[[World, Service], None]
) -> None:
    world.feed(ordinary(100, seed=1))
    service = world.service(LIMITED)
    service.run_until_processed()
    world.feed(garbage(100))
    world.broker.at(step, lambda: happen(world, service))
    service.run_until(lambda: bool(service.halts.partitions))
    assert_goes_on_without_it(world, service)
    assert_exact_without_limits(world, service)


# Who goes on with it


def test_the_next_process_goes_on_until_the_limit_is_passed_again(world: World) -> None:
    first = flooded(world)
    stood = at(world, FLOODED)
    first.subscription.close()
    second = world.service(LIMITED)
    second.run_until(lambda: bool(second.halts.partitions))
    assert stood < at(world, FLOODED) <= stood + LIMITED.max_batch
    assert_goes_on_without_it(world, second)
    assert_exact_without_limits(world, second)


def test_it_goes_on_where_it_is_assigned_anew_and_when_it_comes_back(world: World) -> None:
    first = flooded(world)
    stood = at(world, FLOODED)
    world.broker.group.leave(first.subscription.member)
    first.run_until(lambda: not first.pipeline.owned)
    assert not first.halts.partitions
    assert "dead letters" not in str(first.health.ready().body)
    first.run_until(lambda: first.owns(range(PARTITIONS)))
    first.run_until(lambda: bool(first.halts.partitions))
    assert at(world, FLOODED) > stood
    assert first.counted("halts_total", {"limit": "consecutive"}) == 2
    assert_goes_on_without_it(world, first)
    assert_exact_without_limits(world, first)


def test_another_owner_goes_on_with_it_and_the_first_is_ready(world: World) -> None:
    world.feed(ordinary(200, seed=1))
    first, second = world.service(LIMITED), world.service(LIMITED)
    first.run_until_processed()
    flood = PARTITIONS - 1  # it is the last ones that move
    world.feed(garbage(100, flood))
    first.run_until(lambda: bool(first.halts.partitions))
    stood = at(world, flood)

    def shared() -> bool:
        first.turn()
        return flood in second.halts.partitions

    second.run_until(shared)
    assert len(first.pipeline.owned) == len(second.pipeline.owned) == 2
    assert not first.halts.partitions
    assert first.health.ready().good
    assert not second.health.ready().good
    assert at(world, flood) > stood


def test_a_rebalance_of_others_leaves_it_halted(world: World) -> None:
    """Another process takes half of the partitions and dies: the halted one stayed."""
    first = flooded(world)
    other = world.service(LIMITED)

    def shared() -> bool:
        first.turn()
        return len(first.pipeline.owned) == len(other.pipeline.owned) == 2

    other.run_until(shared)
    assert FLOODED in first.pipeline.owned
    other.subscription.close()
    first.run_until(lambda: first.owns(range(PARTITIONS)))
    assert_goes_on_without_it(world, first)
    assert_exact_without_limits(world, first)


# run --until-end


def test_until_end_ends_with_an_error_once_all_else_is_done(world: World) -> None:
    world.feed(garbage(100))
    world.feed(ordinary(400, seed=1))
    service = world.service(LIMITED, until_end=True)
    with pytest.raises(TooManyDeadLetters) as caught:
        service.run_until(lambda: False)
    assert caught.value.exit_code == 12
    assert f"partition {FLOODED}: " in caught.value.message
    assert "PROCESSOR_MAX_CONSECUTIVE_DEAD_LETTERS=5" in caught.value.message
    assert "dead-letters list" in caught.value.hint
    assert others_processed(world)
    assert at(world, FLOODED) < end(world, FLOODED)
    service.subscription.close()
    world.service(until_end=True).run_until(lambda: False)
    world.assert_exact()


def test_until_end_ends_well_where_the_last_batch_passes_the_limit(world: World) -> None:
    world.feed(ordinary(40, seed=1))
    world.feed(garbage(IN_A_ROW + 1))
    service = world.service(LIMITS._replace(flood=LIMITED.flood), until_end=True)
    service.run_until(lambda: False)
    assert list(service.halts.partitions) == [FLOODED]
    assert world.processed()


@pytest.mark.parametrize("floods", [[0], [0, 3]])
def test_until_end_of_two_processes_ends_in_each_that_has_a_halted_one(
    world: World, floods: list[int]
) -> None:
    """Neither waits for what the other has halted: it would wait for the other to leave."""
    world.feed(ordinary(100, seed=1))
    for flood in floods:
        world.feed(garbage(500, flood))
    one, two = (world.service(LIMITED, until_end=True) for _ in range(2))
    one.turn()

    def beside() -> bool:
        two.turn()
        return False

    with pytest.raises(TooManyDeadLetters, match="partition 0: "):
        one.run_until(beside)
    assert set(two.halts.partitions) == set(floods) - {0}
    one.subscription.close()
    with pytest.raises(TooManyDeadLetters) as caught:
        two.run_until(lambda: False)
    for flood in floods:
        assert f"partition {flood}: " in caught.value.message


def test_its_lag_is_told_in_records_and_seconds(world: World) -> None:
    service = flooded(world)
    assert_goes_on_without_it(world, service)
    flooded_one, other = {"partition": str(FLOODED)}, {"partition": str(OTHERS[0])}
    assert_true_lag(world, service)
    assert service.counted("lag_seconds", flooded_one) > 0
    assert service.counted("lag_records", other) == service.counted("lag_seconds", other) == 0
