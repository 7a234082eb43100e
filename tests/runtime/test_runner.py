"""Whatever goes wrong at whatever step: the end is what a plain fold makes of the input."""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

import pytest
from avro_bytes import SCHEMAS
from fakes.redis import FakeClaims
from fakes.service import LIMITS, PARTITIONS, STREAM, Service, World, outcomes

from processor.core.outcome import Reason
from processor.errors import FailClosed, UnpublishableError
from processor.ports.log import BatchAborted, LogUnavailable, ProducerLost, Topic
from processor.ports.sessions import Write
from processor.state.checkpoint import CommitMetadata
from processor.state.claims import claims_stream

NO_CACHE = LIMITS._replace(cache=0)
"""Each batch asks Redis for its sessions."""

Arm = Callable[[Service], None]


def test_every_kind_of_outcome_is_as_the_oracle_has_it(world: World) -> None:
    world.feed_harsh(600, seed=1)
    service = world.service()
    service.run_until_processed()
    found = outcomes(world.assert_exact())
    assert set(found) == {*Reason, "accepted", "duplicate"}
    for outcome in ("accepted", "duplicate"):
        assert service.counted("records_total", {"outcome": outcome}) == found[outcome]
    for reason in Reason:
        assert service.counted("rejected_total", {"reason": reason}) == found[reason]
    assert service.counted("aborts_total") == 0
    assert service.counted("cache_hits_total") > 0


def test_a_reader_finds_how_to_read_what_is_stored(world: World) -> None:
    world.feed_harsh(50, seed=1)
    world.service().run_until_processed()
    assert world.server.hashes[world.keys.meta()][b"partitions"] == b"%d" % PARTITIONS
    texts = {name.encode(): text.encode() for name, text in SCHEMAS.snapshots.texts().items()}
    assert world.server.hashes[world.keys.schemas()] == texts


def test_what_a_process_leaves_the_next_one_goes_on_from(world: World) -> None:
    world.feed_harsh(200, seed=2)
    first = world.service()
    first.run_until_processed()
    first.subscription.close()
    world.feed_harsh(200, seed=3)
    second = world.service()
    second.run_until_processed()
    world.assert_exact()
    assert second.counted("rebuilds_total") == 0


def test_members_share_the_partitions_and_take_them_over(world: World) -> None:
    world.feed_harsh(200, seed=2)
    first, second = world.service(), world.service()
    first.run_until_processed()

    def share() -> bool:
        first.turn()
        return len(first.pipeline.owned) == len(second.pipeline.owned) == 2

    second.run_until(share)
    world.feed_harsh(200, seed=3)

    def both() -> bool:
        first.turn()
        return world.processed()

    second.run_until(both)
    world.assert_exact()
    first.subscription.close()
    second.run_until(lambda: second.owns(range(PARTITIONS)))
    world.feed_harsh(100, seed=4)
    second.run_until_processed()
    world.assert_exact()


def raise_at(step: str, fault: Exception, times: int = 1) -> Arm:
    def fail() -> None:
        raise fault

    return lambda service: service.world.broker.at(step, fail, times)


def at(step: str, action: Callable[[World], None]) -> Arm:
    return lambda service: service.world.broker.at(step, lambda: action(service.world))


def both(*arms: Arm) -> Arm:
    def armed(service: Service) -> None:
        for each in arms:
            each(service)

    return armed


def flush(world: World) -> None:
    world.server.flush()


def fail_over(world: World) -> None:
    """Have a replica take over that had not heard of the last write."""
    world.server.lose_last_write()
    world.server.restart()


def lose_pointer(world: World) -> None:
    for partition in range(PARTITIONS):
        world.server.delete(world.keys.current(partition))


def restart_redis(world: World) -> None:
    world.server.restart()


def refuse_once(world: World) -> None:
    world.server.refuse = 1


def redis_away(world: World) -> None:
    world.server.available = False
    world.clock.after(9.0, lambda: setattr(world.server, "available", True))


def kafka_away(world: World) -> None:
    world.broker.available = False
    world.clock.after(9.0, lambda: setattr(world.broker, "available", True))


def fence(service: Service) -> None:
    broker = service.world.broker
    broker.at("flush", lambda: void(broker.init(service.publication.identity())))


def void(_: object) -> None:
    pass


def throw_out(service: Service) -> None:
    """Have the group give the member up, as a session timeout does, before its commit."""
    world = service.world
    world.broker.at("flush", lambda: world.broker.group.leave(service.subscription.member))


ABORTED = "aborts_total"
LOST = "fences_total"
STORE = "store_failures_total"
REBUILT = "rebuilds_total"

FAULTS: Mapping[str, tuple[Arm, Iterable[str]]] = {
    "aborted at the start": (raise_at("begin", BatchAborted("no")), [ABORTED]),
    "aborted by a record": (raise_at("flush", BatchAborted("no")), [ABORTED]),
    "aborted at the commit": (raise_at("commit", BatchAborted("no"), times=3), [ABORTED]),
    "lost at the abort": (
        both(raise_at("commit", BatchAborted("no")), raise_at("abort", ProducerLost("no"))),
        [ABORTED, LOST],
    ),
    "lost at the start": (raise_at("begin", ProducerLost("no")), [LOST]),
    "lost before the commit": (raise_at("commit", ProducerLost("no")), [LOST]),
    "lost after the commit": (raise_at("committed", ProducerLost("no")), [LOST]),
    "fenced": (fence, [LOST]),
    "thrown out of the group": (throw_out, [ABORTED]),
    "Redis flushed before the load": (at("take", flush), [STORE, REBUILT]),
    "Redis flushed before the commit": (at("commit", flush), [STORE, REBUILT]),
    "Redis flushed after the commit": (at("committed", flush), [STORE, REBUILT]),
    "a failover before the load": (at("take", fail_over), [STORE]),
    "a failover before the store": (at("committed", fail_over), []),
    "pointers lost before the load": (at("take", lose_pointer), [STORE, REBUILT]),
    "pointers lost after the commit": (at("committed", lose_pointer), [STORE, REBUILT]),
    "Redis refuses the load": (at("take", refuse_once), [STORE]),
    "Redis refuses the store": (at("committed", refuse_once), [STORE]),
    "Redis away at the load": (at("take", redis_away), [STORE]),
    "Redis away at the store": (at("committed", redis_away), [STORE]),
    "Redis restarted before the load": (at("take", restart_redis), [ABORTED]),
    "Redis restarted before the commit": (at("flush", restart_redis), [ABORTED]),
    "Redis restarted and away": (
        both(at("flush", restart_redis), at("abort", redis_away)),
        [ABORTED, STORE],
    ),
    "Kafka away at the flush": (at("begin", kafka_away), [LOST]),
    "Kafka away after the commit": (at("committed", kafka_away), []),
    "Kafka and Redis lost": (both(at("begin", kafka_away), at("take", flush)), [LOST, REBUILT]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_all_is_as_a_plain_fold_has_it(world: World, fault: str) -> None:
    arm, counters = FAULTS[fault]
    service = world.service(NO_CACHE)
    world.feed_harsh(80, seed=5)
    service.run_until_processed()
    before = {counter: service.counted(counter) for counter in counters}
    arm(service)
    world.feed_harsh(80, seed=6)
    service.run_until_processed()
    assert not any(world.broker._steps.values()), "the fault was not met"
    world.assert_exact()
    for counter in counters:
        assert service.counted(counter) > before[counter], counter
    world.feed_harsh(40, seed=7)
    service.run_until_processed()
    world.assert_exact()


@pytest.mark.parametrize("seed", range(6))
def test_many_faults_one_after_another(world: World, seed: int) -> None:
    names = sorted(FAULTS)
    service = world.service(LIMITS._replace(max_batch=23, cache=[0, 1 << 16][seed % 2]))
    for turn in range(8):
        FAULTS[names[(seed * 5 + turn * 7) % len(names)]][0](service)
        world.feed_harsh(50, seed=100 * seed + turn)
        service.run_until_processed()
    world.assert_exact()


@pytest.mark.parametrize("step", ["commit", "committed"])
def test_a_dead_process_is_fenced_and_followed(world: World, step: str) -> None:
    """It died with its transaction open, or before Redis had what was committed."""
    world.feed_harsh(100, seed=5)
    dead = world.service()
    dead.run_until_processed()
    world.feed_harsh(100, seed=6)

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    world.broker.at(step, kill)
    with pytest.raises(Killed):
        dead.run_until_processed()
    assert bool(world.broker.open) == (step == "commit")
    world.broker.group.leave(dead.subscription.member)
    successor = world.service()
    successor.run_until_processed()
    world.assert_exact()
    assert world.broker.open == {}


def test_a_stopped_owner_that_goes_on_finds_itself_fenced(world: World) -> None:
    world.feed_harsh(100, seed=5)
    stopped = world.service()
    stopped.run_until_processed()
    world.feed_harsh(100, seed=6)
    successor = world.service()

    def others_go_on() -> None:
        world.broker.group.leave(stopped.subscription.member)
        successor.run_until_processed()

    world.broker.at("flush", others_go_on)
    stopped.run_until(lambda: stopped.counted(LOST) == 1)
    world.assert_exact()
    stopped.run_until(lambda: stopped.at_rest() and not stopped.pipeline.owned)
    assert successor.owns(range(PARTITIONS))


# What does not pass


def test_an_unpublishable_record_ends_the_loop(world: World) -> None:
    service = world.service()
    service.run_until_processed()
    raise_at("flush", UnpublishableError("the record of key b'1:a'"))(service)
    world.feed_harsh(10, seed=1)
    with pytest.raises(UnpublishableError, match="1:a"):
        service.run_until_processed()


def test_updates_that_expired_unread_end_the_loop(world: World) -> None:
    world.feed_harsh(100, seed=1)
    service = world.service()
    service.run_until_processed()
    world.feed_harsh(100, seed=2)
    for log in world.broker.logs[Topic.UPDATES]:
        log.start = len(log.entries) - 1
    with pytest.raises(FailClosed, match="updates that were not processed have expired"):
        service.run_until_processed()


# Idle partitions, health and time


@pytest.mark.parametrize("lose", [flush, lose_pointer, fail_over])
def test_an_idle_partition_is_rebuilt_too(world: World, lose: Callable[[World], None]) -> None:
    world.feed_harsh(100, seed=1)
    service = world.service()
    service.run_until_processed()
    lose(world)
    service.run_until(lambda: service.counted(STORE) > 0 and service.at_rest())
    world.assert_exact()


def test_claims_of_another_stream_are_rebuilt_though_all_is_idle(world: World) -> None:
    world.feed_harsh(100, seed=1)
    service = world.service()
    service.run_until_processed()
    other = FakeClaims(world.server, world.keys)
    generation = other.begin("another stream")
    assert generation is not None
    other.finish(generation)
    service.run_until(lambda: service.claims.stream() == claims_stream(STREAM))
    world.feed_harsh(100, seed=2)
    service.run_until_processed()
    world.assert_exact()


def test_a_server_that_is_away_is_waited_for_and_not_asked_without_end(world: World) -> None:
    world.server.available = False
    world.feed_harsh(20, seed=1)
    service = world.service()
    service.run_until(lambda: world.clock.now > 60, turns=5_000)
    assert world.server.calls < 120
    ready, body = service.health.ready()
    assert not ready
    assert "redis" in str(body["warnings"])
    world.server.available = True
    service.run_until_processed()
    assert service.health.ready() == (True, {"ready": True, "reasons": {}, "warnings": {}})
    world.assert_exact()


def test_kafka_away_is_told(world: World) -> None:
    service = world.service()
    service.run_until_processed()
    world.broker.available = False
    service.run_until(lambda: "kafka" in service.warnings)
    world.broker.available = True
    service.run_until(lambda: "kafka" not in service.warnings)


def test_a_producer_is_waited_for(world: World) -> None:
    """Assigned while Kafka does not answer: nothing is owned until it does."""
    world.feed_harsh(20, seed=1)
    service = world.service()

    class Reluctant:
        refusals = 3

    replace = service.publication.replace

    def refuse() -> None:
        if Reluctant.refusals:
            Reluctant.refusals -= 1
            raise LogUnavailable("not yet")
        replace()

    service.publication.replace = refuse  # type: ignore[method-assign]
    service.run_until_processed()
    assert Reluctant.refusals == 0
    world.assert_exact()


@pytest.mark.parametrize("interval", [0.4, 5.0])
def test_a_quiet_stream_commits_no_oftener_than_the_least_interval(
    world: World, interval: float
) -> None:
    service = world.service(LIMITS._replace(min_commit_interval=interval))
    service.run_until_processed()
    times: list[float] = []

    def arrive() -> None:
        world.feed_harsh(1, seed=len(times))
        world.clock.after(0.05, arrive)

    world.broker.at("committed", lambda: times.append(world.clock.now), times=5)
    arrive()
    service.run_until(lambda: len(times) == 5)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) > interval - 0.001
    assert max(gaps) < interval + 0.1


def test_without_an_interval_each_arrival_is_committed_at_once(world: World) -> None:
    service = world.service()
    service.run_until_processed()
    begun = world.clock.now
    world.feed_harsh(1, seed=1)
    service.run_until_processed()
    assert world.clock.now == begun


def test_lag_is_told(world: World) -> None:
    world.feed_harsh(100, seed=1)
    service = world.service()
    service.run_until_processed()
    begun = world.clock.now
    service.run_until(lambda: world.clock.now > begun + 4)
    labels = {"partition": "0"}
    assert service.counted("lag_records", labels) == 0


# What an owner commits


def test_the_commit_tells_owner_and_next_output_offset(world: World) -> None:
    world.feed_harsh(300, seed=1)
    service = world.service()
    service.run_until_processed()
    for partition, (offset, text) in world.broker.committed.items():
        metadata = CommitMetadata.decode(text, STREAM.cluster)
        last = world.records(Topic.SESSIONS, partition)[-1]
        mine = service.publication.identity()
        assert metadata == CommitMetadata(mine, last.offset + 1, STREAM, 0)
        assert offset == world.broker.extent(Topic.UPDATES, partition).end


def test_a_restore_that_another_owner_overtakes_begins_again(world: World) -> None:
    world.feed_harsh(100, seed=1)
    service = world.service()
    fill, failing = service.cache.fill, [True]

    def overtaken(partition: int, write: Write) -> None:
        if failing and write.snapshots:
            failing.clear()
            service.cache.begin(partition, b"another's")
        fill(partition, write)

    service.run_until_processed()
    flush(world)
    service.cache.fill = overtaken  # type: ignore[method-assign]
    service.run_until(lambda: not failing and service.at_rest())
    world.assert_exact()


def test_an_aborted_takeover_is_done_again(world: World) -> None:
    world.feed_harsh(50, seed=1)
    service = world.service()
    raise_at("commit", BatchAborted("no"), times=2)(service)
    service.run_until_processed()
    assert service.counted(ABORTED) == 2
    world.assert_exact()


# run --until-end


def test_until_end_stops_at_the_ends_as_they_were(world: World) -> None:
    world.feed_harsh(200, seed=1)
    service = world.service(until_end=True)
    world.broker.at("flush", lambda: world.feed_harsh(60, seed=2))
    service.run_until(lambda: False)
    ends = {p: world.broker.extent(Topic.UPDATES, p).end for p in range(PARTITIONS)}
    left = {p: ends[p] - world.broker.committed[p].offset for p in ends}
    assert sum(left.values()) == 60
    service.subscription.close()
    world.service().run_until_processed()
    world.assert_exact()


@pytest.mark.parametrize("fault", ["aborted at the commit", "lost after the commit", "fenced"])
def test_until_end_does_not_end_on_what_an_abort_has_undone(world: World, fault: str) -> None:
    world.feed_harsh(40, seed=1)
    service = world.service(until_end=True)
    service.run_until(lambda: service.owns(range(PARTITIONS)), turns=100)
    FAULTS[fault][0](service)
    service.run_until(lambda: False)
    assert world.processed()
    world.assert_exact()


def test_until_end_of_nothing_ends(world: World) -> None:
    world.service(until_end=True).run_until(lambda: False)
    assert set(world.broker.committed) == set(range(PARTITIONS))


def test_until_end_waits_for_what_is_somebody_elses(world: World) -> None:
    world.feed_harsh(200, seed=1)
    other = world.service()
    other.run_until(lambda: other.owns(range(PARTITIONS)) and not world.processed())
    waiting = world.service(until_end=True)

    def turn_other() -> bool:
        other.turn()
        return False

    waiting.run_until(turn_other)
    assert world.processed()
    world.assert_exact()
