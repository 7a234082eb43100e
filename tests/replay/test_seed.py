"""A replay on the fakes: from anywhere, whatever happens, it publishes what was published."""

from random import Random

import pytest
from fakes.broker import Entry
from fakes.log import FakeCoordination, FakeScan
from fakes.service import (
    HARSH,
    LIMITS,
    PARTITIONS,
    STREAM,
    Replay,
    World,
    partition_of,
)

from processor.avro.codec import SnapshotCodec
from processor.avro.schemas import load_schemas
from processor.demo.traffic import updates
from processor.errors import FailClosed
from processor.ports.log import Committed, Outgoing, ProducerLost, Record, Topic
from processor.replay.live_state import LiveState
from processor.replay.plan import Plan, Range
from processor.state.checkpoint import CommitMetadata

SNAPSHOTS = SnapshotCodec(load_schemas().snapshots)


def live(count: int = 600) -> World:
    world = World()
    world.feed(updates(count, seed=5, mix=HARSH, partition=partition_of))
    world.service().run_until_processed()
    return world


def planned(world: World, starts: dict[int, int]) -> Plan:
    broker = world.broker
    every = range(PARTITIONS)
    return Plan(
        "night",
        0,
        STREAM,
        {p: Range(starts[p], broker.committed[p].offset) for p in every},
        {p: broker.extent(Topic.SESSIONS, p).stable_end for p in every},
        {p: broker.extent(Topic.CLAIMS, p).end for p in every},
    )


def isolated(world: World) -> World:
    """Return a world with the same input and nothing else."""
    other = World()
    for partition in range(PARTITIONS):
        for each in world.records(Topic.UPDATES, partition):
            copy = Outgoing(
                Topic.UPDATES, partition, each.timestamp, each.key, each.value, each.headers
            )
            other.broker.append(copy)
    return other


def after(records: list[Record], start: int) -> list[tuple[bytes | None, bytes | None]]:
    return [
        (each.key, each.value)
        for each in records
        if SNAPSHOTS.read(each.value or b"").input_offset >= start
    ]


def assert_same(world: World, other: World, plan: Plan) -> None:
    for partition, bounds in plan.ranges.items():
        published = world.records(Topic.SESSIONS, partition)
        again = other.records(Topic.SESSIONS, partition)
        assert after(again, bounds.start) == after(published, bounds.start)
        assert other.stored(partition) == world.stored(partition)


def random_starts(world: World, seed: int) -> dict[int, int]:
    random = Random(seed)
    return {p: random.randint(0, world.broker.committed[p].offset) for p in range(PARTITIONS)}


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_from_anywhere_publishes_what_was_published(seed: int) -> None:
    world = live()
    plan = planned(world, random_starts(world, seed))
    other = isolated(world)
    other.service(replay=Replay(plan, world.broker)).run_until(lambda: False)
    assert_same(world, other, plan)


def test_from_nothing_nothing_is_copied() -> None:
    world = live()
    plan = planned(world, dict.fromkeys(range(PARTITIONS), 0))
    other = isolated(world)
    other.service(replay=Replay(plan, world.broker)).run_until(lambda: False)
    assert_same(world, other, plan)
    for partition in range(PARTITIONS):
        again = [each.value for each in other.records(Topic.SESSIONS, partition)]
        assert again == [each.value for each in world.records(Topic.SESSIONS, partition)]


def test_a_partition_that_is_left_out_is_left_alone() -> None:
    world = live()
    plan = planned(world, random_starts(world, 3))
    plan = plan._replace(ranges={each: plan.ranges[each] for each in (0, 2)})
    other = isolated(world)
    other.service(replay=Replay(plan, world.broker)).run_until(lambda: False)
    assert_same(world, other, plan)
    assert [other.records(Topic.SESSIONS, each) for each in (1, 3)] == [[], []]


def test_a_state_that_was_compacted_away_after_the_replay_was_begun_ends_it() -> None:
    world = live()
    log = world.broker.logs[Topic.SESSIONS][0]
    place, later = next(
        (place, later)
        for place, entry in enumerate(log.entries)
        for later in log.entries[place + 1 :]
        if entry.record is not None
        and later.record is not None
        and later.record.key == entry.record.key
    )
    assert later.record is not None
    start = SNAPSHOTS.read(later.record.value or b"").input_offset
    plan = planned(world, dict.fromkeys(range(PARTITIONS), 0) | {0: start})
    log.entries[place] = Entry(None, None)
    other = isolated(world)
    replay = Replay(plan, world.broker)
    with pytest.raises(FailClosed, match="compaction has removed a record of"):
        other.service(replay=replay).run_until(lambda: False)


@pytest.mark.parametrize("step", ["flush", "commit", "committed"])
@pytest.mark.parametrize("time", range(4))
def test_whoever_loses_its_producer_is_followed_by_one_that_goes_on(step: str, time: int) -> None:
    world = live()
    plan = planned(world, random_starts(world, 9))
    other = isolated(world)

    def lost() -> None:
        raise ProducerLost("it is lost")

    for _ in range(time):
        other.broker.at(step, lambda: None)
    other.broker.at(step, lost)
    service = other.service(LIMITS._replace(max_batch=20), replay=Replay(plan, world.broker))
    service.run_until(lambda: False)
    assert_same(world, other, plan)
    for committed in other.broker.committed.values():
        assert CommitMetadata.decode(committed.metadata, STREAM.cluster).seeding is None


@pytest.mark.parametrize("seed", range(3))
def test_a_replay_of_an_input_that_was_created_again_begins_with_all_that_was_before(
    seed: int,
) -> None:
    """Snapshots of the former input have offsets too, and they mean nothing in this one."""
    world = World()
    stream = list(updates(1_000, seed=5, mix=HARSH, partition=partition_of))
    world.feed(stream[:600])
    service = world.service()
    service.run_until_processed()
    service.subscription.close()
    # The input is created again, and the offsets are repaired.
    broker = world.broker
    former = {p: broker.extent(Topic.SESSIONS, p).end for p in range(PARTITIONS)}
    for partition, end in former.items():
        broker.logs[Topic.UPDATES][partition].entries.clear()
        text = CommitMetadata("repair", end, STREAM, 1, former=end).encode()
        broker.committed[partition] = Committed(0, text)
    world.feed(stream[600:])
    world.service().run_until_processed()
    found, outputs = LiveState(STREAM, FakeCoordination(broker), FakeScan(broker)).look()
    assert {p: each.former for p, each in outputs.items()} == former
    starts = random_starts(world, seed) | {seed: 0}
    plan = planned(world, starts)._replace(former_ends=former)
    other = isolated(world)
    other.service(LIMITS._replace(max_batch=20), replay=Replay(plan, broker)).run_until(
        lambda: False
    )
    for partition, start in starts.items():
        committed = other.broker.committed[partition]
        assert committed.offset == found[partition].committed
        own = CommitMetadata.decode(committed.metadata, STREAM.cluster).former or 0
        published = world.records(Topic.SESSIONS, partition)
        published = [each for each in published if each.offset >= former[partition]]
        again = [each for each in other.records(Topic.SESSIONS, partition) if each.offset >= own]
        assert after(again, 0)[-len(after(published, start)) :] == after(published, start)
        assert len(after(again, start)) == len(after(published, start)) > 0
        assert other.stored(partition) == world.stored(partition)
