import pytest
from fakes.log import FakeCoordination, FakeScan
from fakes.service import World

from processor.ports.log import Record, Topic
from processor.runtime.until_end import UntilEnd, group_position


class Others:
    """What other members have committed, and how often they were asked."""

    def __init__(self) -> None:
        self.offsets: dict[int, int] = {}
        self.asked = 0

    def committed(self, partition: int) -> int:
        self.asked += 1
        return self.offsets.get(partition, -1)


@pytest.fixture
def others() -> Others:
    return Others()


def test_records_beyond_the_ends_are_cut(world: World, others: Others) -> None:
    until_end = UntilEnd({0: 2, 1: 0}, others.committed, world.clock)
    records = [Record(p, o, 0, b"k", b"v", ()) for p in (0, 1) for o in range(3)]
    assert [(r.partition, r.offset) for r in until_end.cut(records)] == [(0, 0), (0, 1)]


def test_what_is_owned_is_at_its_end_by_its_own_offset(world: World, others: Others) -> None:
    until_end = UntilEnd({0: 2, 1: 3}, others.committed, world.clock)
    assert not until_end.reached({0: 2, 1: 2}, ())
    assert not until_end.reached({1: 2}, ())
    assert until_end.reached({1: 3}, ())


def test_what_is_taken_over_is_waited_for(world: World, others: Others) -> None:
    until_end = UntilEnd({0: 2}, others.committed, world.clock)
    assert not until_end.reached({0: 2}, [0])
    assert until_end.reached({0: 2}, ())


def test_what_is_somebody_elses_is_asked_for_but_seldom(world: World, others: Others) -> None:
    until_end = UntilEnd({0: 2, 1: 5}, others.committed, world.clock)
    others.offsets = {1: 4}
    assert not until_end.reached({0: 2}, ())
    assert others.asked == 0, "before the group has had time to assign"
    world.clock.wait(3.0)
    assert not until_end.reached({0: 2}, ())
    others.offsets = {1: 5}
    assert not until_end.reached({0: 2}, ())
    assert others.asked == 1
    world.clock.wait(1.0)
    assert until_end.reached({0: 2}, ())


def test_halted_partitions_are_stuck_once_all_else_here_is_at_its_end(
    world: World, others: Others
) -> None:
    until_end = UntilEnd({0: 2, 1: 5, 2: 3, 3: 9}, others.committed, world.clock)
    others.offsets = {1: 4, 2: 3, 3: 8}
    halted = [1, 2]
    assert not until_end.reached({0: 1}, ())
    assert until_end.stuck({0: 1}, (), halted) == [], "0 is not at its end"
    assert not until_end.reached({0: 2}, ())
    assert until_end.stuck({0: 2}, [3], halted) == [], "3 is being taken over"
    assert until_end.stuck({0: 2}, (), halted) == [1], "3 is somebody else's, 2 is at its end"


def test_what_comes_is_not_asked_for(world: World, others: Others) -> None:
    until_end = UntilEnd({0: 2}, others.committed, world.clock)
    others.offsets = {0: 2}
    world.clock.wait(10.0)
    assert not until_end.reached({}, [0])
    assert others.asked == 0
    world.clock.wait(10.0)
    assert until_end.reached({}, ())


def test_records_that_expire_before_they_are_read_are_not_passed(world: World) -> None:
    world.feed_harsh(200, seed=1)
    world.service().run_until_processed()
    asked = FakeCoordination(world.broker), FakeScan(world.broker)
    done = world.broker.committed[0].offset
    world.feed_harsh(200, seed=2)
    log = world.broker.logs[Topic.UPDATES][0]
    assert group_position(0, len(log.entries), *asked) == done
    log.start = len(log.entries)
    assert group_position(0, len(log.entries), *asked) == done
    log.start = done
    assert group_position(0, done, *asked) == done
