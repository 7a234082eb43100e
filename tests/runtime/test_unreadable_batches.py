"""Batches of the input that cannot be read, met by the loop."""

import pytest
from fakes.service import LIMITS, PARTITIONS, World, partition_of

from processor.demo.traffic import updates
from processor.ports.log import Outgoing, Topic
from processor.stages.publish import ERROR_HEADERS, OFFSET_TO_HEADER

SPOILT = 1
SIZE = 7


def spoil(world: World) -> int:
    """Write a batch that cannot be unpacked; return its first offset."""
    log = world.broker.logs[Topic.UPDATES][SPOILT]
    start = len(log.entries)
    for _ in range(SIZE):
        world.broker.append(Outgoing(Topic.UPDATES, SPOILT, 0, b"1:x", b"lost", ()))
    log.unpackable.append(range(start, start + SIZE))
    return start


class _Killed(Exception):  # noqa: N818  what happened
    pass


def _kill() -> None:
    raise _Killed


def ranges(world: World) -> list[tuple[bytes | None, bytes | None]]:
    """Return the first and the last offset of each letter that stands for a range."""
    found = [dict(each.headers) for each in world.records(Topic.DEAD_LETTERS, SPOILT)]
    return [
        (each[ERROR_HEADERS[5]], each[OFFSET_TO_HEADER])
        for each in found
        if OFFSET_TO_HEADER in each
    ]


@pytest.mark.parametrize(("step", "stands"), [("flush", 0), ("commit", 0), ("committed", SIZE)])
def test_one_letter_stands_for_a_batch_also_after_a_kill(
    world: World, step: str, stands: int
) -> None:
    service = world.service(LIMITS)
    service.run_until(lambda: service.owns(range(PARTITIONS)))
    at = spoil(world)
    world.feed(updates(20, seed=2, partition=partition_of))
    world.broker.at(step, _kill)
    with pytest.raises(_Killed):
        service.run_until(lambda: False)
    assert (world.broker.committed[SPOILT].offset >= SIZE) == bool(stands)
    world.broker.group.leave(service.subscription.member)
    world.service(LIMITS).run_until_processed()
    assert ranges(world) == [(b"%d" % at, b"%d" % (at + SIZE - 1))]
    (letter,) = [
        each
        for each in world.records(Topic.DEAD_LETTERS, SPOILT)
        if OFFSET_TO_HEADER in dict(each.headers)
    ]
    assert (letter.key, letter.value) == (None, None)
    said = dict(letter.headers)
    assert said[ERROR_HEADERS[0]] == b"undecodable"
    assert b"offsets %d to %d " % (at, at + SIZE - 1) in (said[ERROR_HEADERS[1]] or b"")


def test_a_damaged_batch_stops_its_partition_alone_until_it_can_be_read(world: World) -> None:
    log = world.broker.logs[Topic.UPDATES][SPOILT]
    world.feed(updates(200, seed=1, partition=partition_of))
    log.damaged = len(log.entries) - 5
    service = world.service(LIMITS._replace(max_batch=20))
    others = [each for each in range(PARTITIONS) if each != SPOILT]

    def stands() -> bool:
        committed = world.broker.committed
        return (
            committed.get(SPOILT) is not None
            and committed[SPOILT].offset == log.damaged
            and all(
                each in committed
                and committed[each].offset == world.broker.extent(Topic.UPDATES, each).end
                for each in others
            )
            and world.clock.now > 20
        )

    service.run_until(stands)
    ready, body = service.health.ready()
    assert ready
    assert f"input of partition {SPOILT}" in body["warnings"]  # type: ignore[operator]
    assert "leader" in str(body["warnings"])
    gauge = service.metrics.registry.get_sample_value
    told = [gauge("session_processor_damaged", {"partition": str(p)}) for p in range(PARTITIONS)]
    assert told == [float(each == SPOILT) for each in range(PARTITIONS)]

    log.damaged = None
    later = world.clock.now + 10
    service.run_until(lambda: world.processed() and world.clock.now > later)
    assert service.health.ready()[1]["warnings"] == {}
    assert gauge("session_processor_damaged", {"partition": str(SPOILT)}) == 0
    world.assert_exact()
