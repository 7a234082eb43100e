"""Tombstones that follow what has ended: Kafka cleans no segment that nothing follows."""

import pytest
from fakes.clock import FakeClock
from fakes.service import (
    DAY_MS,
    FACTS,
    LIMITS,
    PARTITIONS,
    STREAM,
    Replay,
    Service,
    World,
    partition_of,
)
from golden import encoded, update
from oracle import is_nobodys
from session_commands import erase

from processor.demo.traffic import START, DemoUpdate
from processor.ports.log import BatchAborted, ProducerLost, Topic
from processor.ports.sessions import Stamp
from processor.replay.plan import Plan, Range
from processor.runtime.rolls import SegmentRolls
from processor.state.checkpoint import CommitMetadata, Owned, Position

KEY = b"1:cart-17"
MINE = partition_of(KEY)
EVERY = range(PARTITIONS)
TURN_S = 1.05 * DAY_MS / 2 / 1000


def ended(world: World) -> int | None:
    text = world.broker.committed[MINE].metadata
    return CommitMetadata.decode(text, STREAM.cluster).ended


def rolled(world: World, topic: Topic) -> list[int]:
    """Return how many such tombstones each partition has."""
    return [sum(map(is_nobodys, world.broker.readable(topic, each))) for each in EVERY]


def pass_turn(service: Service, turns: float = 1) -> None:
    world = service.world
    world.clock.now += turns * TURN_S
    until = world.clock.now + 10
    service.run_until(lambda: world.clock.now > until)


def feed(world: World, *values: bytes) -> None:
    world.feed(DemoUpdate(KEY, value, (), START, MINE) for value in values)


@pytest.fixture
def service(world: World) -> Service:
    """One whose session has ended, with its profile's claim, as a turn begins."""
    world.clock.now += TURN_S - world.clock.now_ms() / 1000 % TURN_S
    made = world.service()
    made.run_until(lambda: made.owns(EVERY))
    pass_turn(made, 0)
    feed(world, encoded(update(1, profileId="ada")), erase(KEY, forget=("ada",)))
    made.run_until_processed()
    return made


def test_until_all_of_an_end_is_gone_each_turn_has_a_tombstone(
    world: World, service: Service
) -> None:
    assert ended(world) == pytest.approx(world.clock.now_ms(), abs=10_000)
    before = world.broker.committed[MINE]
    pass_turn(service, 0.9)
    assert rolled(world, Topic.SESSIONS) == [0] * PARTITIONS
    for turns in range(1, 4):
        pass_turn(service)
        assert rolled(world, Topic.CLAIMS) == [turns] * PARTITIONS
        assert rolled(world, Topic.SESSIONS) == [turns * (each == MINE) for each in EVERY]
    after = world.broker.committed[MINE]
    assert after.offset == before.offset
    (last,) = [*world.broker.readable(Topic.SESSIONS, MINE)][-1:]
    assert CommitMetadata.decode(after.metadata, STREAM.cluster).output == last.offset + 1
    assert last.timestamp == pytest.approx(world.clock.now_ms(), abs=20_000)
    pass_turn(service, FACTS.gone_ms / 1000 / TURN_S)
    pass_turn(service)
    assert rolled(world, Topic.CLAIMS) == [3] * PARTITIONS

    feed(world, encoded(update(2, profileId="ada")))
    service.run_until_processed()
    service.subscription.close()
    world.assert_exact()
    world.server.flush()
    world.service().run_until_processed()
    world.assert_exact()


def test_nothing_follows_where_nothing_has_ended(world: World) -> None:
    feed(world, encoded(update(1, profileId="ada")), erase(b"1:cart-17x"))
    service = world.service()
    service.run_until_processed()
    pass_turn(service, 2)
    assert ended(world) is None
    assert rolled(world, Topic.SESSIONS) == rolled(world, Topic.CLAIMS) == [0] * PARTITIONS


@pytest.mark.parametrize("error", [BatchAborted("refused"), ProducerLost("lost")])
def test_one_that_fails_is_made_again(world: World, service: Service, error: Exception) -> None:
    def fails() -> None:
        raise error

    world.broker.at("flush", fails)
    pass_turn(service)
    assert rolled(world, Topic.SESSIONS)[MINE] == 1
    assert rolled(world, Topic.CLAIMS) == [1] * PARTITIONS


def test_the_next_owner_goes_on_with_it(world: World, service: Service) -> None:
    service.subscription.close()
    other = world.service()
    other.run_until(lambda: other.owns(EVERY))
    pass_turn(other, 0)
    assert rolled(world, Topic.SESSIONS)[MINE] == 1, "the former one may have missed its turn"
    pass_turn(other)
    assert rolled(world, Topic.SESSIONS)[MINE] == 2
    assert rolled(world, Topic.CLAIMS) == [2] * PARTITIONS


def test_a_run_to_its_end_and_a_replay_have_none(world: World) -> None:
    """Though days pass as each record is committed."""
    values = [encoded(update(1)), erase(KEY), *(encoded(update(each)) for each in range(2, 6))]
    feed(world, *values)
    again = World()
    feed(again, *values)
    plan = Plan(
        "again", 0, STREAM, {MINE: Range(0, len(values))}, {MINE: 0}, dict.fromkeys(EVERY, 0)
    )

    for where, run in ((world, None), (again, Replay(plan, world.broker))):

        def days_pass(clock: FakeClock = where.clock) -> None:
            clock.now += 2 * TURN_S

        where.broker.at("commit", days_pass, times=len(values))
        limits = LIMITS._replace(max_batch=1)
        where.service(limits, until_end=run is None, replay=run).run_until(lambda: False)
        assert ended(where) is not None
        assert rolled(where, Topic.SESSIONS) == rolled(where, Topic.CLAIMS) == [0] * PARTITIONS


def owning(now_ms: int, *partitions: int) -> dict[int, Owned]:
    """Return partitions in which something ends now."""
    position = Position(1, 1, 0, ended=now_ms)
    return {each: Owned(position, Stamp("g", b""), "t") for each in partitions}


def test_a_segment_is_closed_before_the_claims_values_are_to_be_gone() -> None:
    """Wherever in a turn its first record comes: 48 hours by the topics' settings."""
    hour = DAY_MS // 24
    for begins in range(0, 26 * hour, hour // 2):
        clock = FakeClock(day_ms=100 * DAY_MS + begins)
        start = clock.now_ms()
        rolls = SegmentRolls(clock, DAY_MS, 25 * DAY_MS, lambda: 1)
        owned = owning(start, 0)
        while clock.now_ms() - start <= 48 * hour:
            clock.now += 60
            if rolls.due(owned):
                rolls.done()
                if clock.now_ms() - start >= DAY_MS:
                    break
        assert DAY_MS <= clock.now_ms() - start < 37 * hour


def test_no_turn_is_lost_that_begins_while_a_partition_is_restored() -> None:
    clock = FakeClock(day_ms=100 * DAY_MS)
    rolls = SegmentRolls(clock, DAY_MS, 25 * DAY_MS, lambda: 1)
    assert rolls.due({}) == []
    clock.now += TURN_S
    assert rolls.due({}) == []
    clock.now += 60
    ended_lately = owning(clock.now_ms(), 0)
    assert len(rolls.due(ended_lately)) == 2
    rolls.done()
    both = ended_lately | owning(clock.now_ms(), 1)
    (late,) = rolls.due(both)
    assert (late.topic, late.partition) == (Topic.SESSIONS, 1)
    assert rolls.due(both) == [late], "until it is done"
    rolls.done()
    assert rolls.due(both) == []
    assert rolls.due({}) == []
    assert len(rolls.due(both)) == 2, "whoever owned them meanwhile may have missed the turn"
