"""One partition's leader does not answer while the others do: it is waited for, and nothing else.

No answer is no evidence: nothing fails closed, ends, or is taken for empty.
"""

import pytest
from fakes.log import FakeScan
from fakes.service import PARTITIONS, Until, World

from processor.ports.log import LogUnavailable, Topic
from processor.runtime.startup import WaitForServers
from processor.runtime.until_end import frozen_ends, group_position
from processor.telemetry.observer import Observer

AWAY_S = 20.0
AWAY = 1


def lose_leader(world: World, topic: Topic) -> None:
    """Have a partition's leader away, for a while that the fakes' clock measures."""
    world.broker.leaders_away.add((topic, AWAY))
    world.clock.after(AWAY_S, world.broker.leaders_away.clear)


@pytest.mark.parametrize("topic", [Topic.UPDATES, Topic.SESSIONS])
def test_a_takeover_waits_for_the_leader(world: World, topic: Topic) -> None:
    world.feed_harsh(200, seed=1)
    world.service().run_until_processed()
    world.broker.group.leave(world.broker.group.members[0])
    world.feed_harsh(200, seed=2)
    lose_leader(world, topic)
    service = world.service()
    service.run_until(lambda: "kafka" in service.warnings)
    others = set(range(PARTITIONS)) - {AWAY}
    service.run_until(lambda: service.owns(others))
    assert world.broker.leaders_away
    service.run_until_processed()
    assert world.clock.now > AWAY_S
    world.assert_exact()


@pytest.mark.parametrize("topic", [Topic.SESSIONS, Topic.DEAD_LETTERS])
def test_whether_a_partition_is_virgin_waits_for_the_leader(world: World, topic: Topic) -> None:
    world.feed_harsh(200, seed=1)
    lose_leader(world, topic)
    service = world.service()
    service.run_until(lambda: service.owns(set(range(PARTITIONS)) - {AWAY}))
    assert AWAY not in world.broker.committed
    service.run_until_processed()
    assert world.clock.now > AWAY_S
    world.assert_exact()


def test_a_start_at_a_time_waits_for_the_leader(world: World) -> None:
    world.feed_harsh(200, seed=1)
    lose_leader(world, Topic.UPDATES)
    service = world.service(start=0)
    service.run_until(lambda: service.owns(set(range(PARTITIONS)) - {AWAY}))
    service.run_until_processed()
    world.assert_exact()


def test_a_rebuild_of_claims_waits_for_the_leader(world: World) -> None:
    """Else a session would be the first of a profile a second time."""
    world.feed_harsh(200, seed=1)
    service = world.service()
    service.run_until_processed()
    world.server.flush()
    lose_leader(world, Topic.CLAIMS)
    world.feed_harsh(200, seed=2)
    since = world.clock.now
    service.run_until(lambda: "kafka" in service.warnings)
    assert service.claims.stream() is None
    service.run_until_processed()
    assert world.clock.now > since + AWAY_S
    world.assert_exact()


def test_the_ends_to_run_until_are_waited_for(world: World) -> None:
    world.feed_harsh(200, seed=1)
    service = world.service()
    lose_leader(world, Topic.UPDATES)
    with pytest.raises(LogUnavailable):
        frozen_ends(service.coordination, PARTITIONS)
    stopping = Until(world.clock)
    stopping.turns = 100
    wait_for = WaitForServers(stopping, Observer(service.health, service.metrics, world.clock))
    found = wait_for(lambda: frozen_ends(service.coordination, PARTITIONS))
    assert found == {
        each: world.broker.extent(Topic.UPDATES, each).stable_end for each in range(PARTITIONS)
    }
    assert world.clock.now >= AWAY_S


def test_a_run_until_the_end_does_not_end_before_the_leader_is_back(world: World) -> None:
    world.feed_harsh(200, seed=1)
    service = world.service(until_end=True)
    lose_leader(world, Topic.UPDATES)
    service.run_until(lambda: False)
    assert world.clock.now > AWAY_S
    assert world.processed()
    world.assert_exact()


def test_how_far_another_member_is_holds_nothing_up_for_its_leader(world: World) -> None:
    world.feed_harsh(50, seed=1)
    service = world.service()
    service.run_until(lambda: AWAY in world.broker.committed)
    at = world.broker.committed[AWAY].offset
    end = world.broker.extent(Topic.UPDATES, AWAY).end + 1
    lose_leader(world, Topic.UPDATES)
    since = world.clock.now
    assert group_position(AWAY, end, service.coordination, FakeScan(world.broker)) == at
    assert world.clock.now - since < AWAY_S / 2
