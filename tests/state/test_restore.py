"""Bringing Redis to what the output topic says: read on where that is enough, else rebuilt."""

from collections.abc import Generator, Mapping
from typing import Any, TypeVar

import pytest
from fakes.service import DAY_MS, Service, World

from processor.demo.traffic import START
from processor.ports.log import Outgoing, Topic
from processor.ports.sessions import CacheLost, Stamp, Write
from processor.state import restore as restoring
from processor.state.checkpoint import Checkpoint, Position
from processor.state.restore import AT_ONCE

Answer = TypeVar("Answer")
A, B, C = b"1:a", b"1:b", b"1:c"


def done(task: Generator[bool, None, Answer]) -> Answer:
    while True:
        try:
            next(task)
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer


def publish(world: World, *records: tuple[bytes, bytes | None], partition: int = 0) -> None:
    for key, value in records:
        world.broker.append(Outgoing(Topic.SESSIONS, partition, 0, key, value, ()))


def restore(service: Service, position: Position, owner: str = "owner") -> Stamp:
    """Restore, and see that what stands then is this owner's, at the position."""
    stamp = done(service.restore(0, position, owner))
    assert service.cache.read(0) == stamp
    found = Checkpoint.decode(stamp.checkpoint)
    assert (found.owner, found.offset, found.output, found.epoch, found.filled) == (
        owner,
        position.offset,
        position.output,
        position.epoch,
        -1,
    )
    return stamp


def rebuilds(service: Service) -> float:
    return service.counted("rebuilds_total")


@pytest.fixture
def service(world: World) -> Service:
    """Three snapshots of an output of five stand in Redis."""
    made = world.service()
    publish(world, (A, b"a1"), (B, b"b1"), (A, b"a2"))
    restore(made, Position(10, 3, 0), "former")
    assert rebuilds(made) == 1
    publish(world, (C, b"c1"), (B, None))
    return made


def test_an_empty_cache_is_rebuilt_to_the_position_and_no_further(world: World) -> None:
    service = world.service()
    publish(world, (A, b"a1"), (B, b"b1"), (A, b"a2"), (B, None), (C, b"beyond"))
    restore(service, Position(10, 4, 0))
    assert world.stored(0) == {A: b"a2"}
    assert rebuilds(service) == 1


def test_an_equal_checkpoint_is_taken_as_it_stands(world: World, service: Service) -> None:
    before = service.cache.read(0)
    stamp = restore(service, Position(10, 3, 0))
    assert before is not None
    assert stamp.generation == before.generation
    assert world.stored(0) == {A: b"a2", B: b"b1"}
    assert rebuilds(service) == 1


def test_a_checkpoint_that_is_behind_is_read_on_from(world: World, service: Service) -> None:
    """A record below the checkpoint that is not in the cache shows that it was not read again."""
    generation = world.server.text(world.keys.current(0))
    world.server.put(world.keys.sessions(0, generation), {A: b"kept"})
    stamp = restore(service, Position(12, 5, 0))
    assert stamp.generation == generation
    assert world.stored(0) == {A: b"kept", C: b"c1"}
    assert rebuilds(service) == 1
    assert service.counted("restore_done_records", {"partition": "0"}) == 2
    assert service.counted("restore_expected_records", {"partition": "0"}) == 2


def test_the_former_owner_is_fenced_before_the_first_record_is_read(
    world: World, service: Service
) -> None:
    former = service.cache.read(0)
    assert former is not None
    next(service.restore(0, Position(12, 5, 0), "owner"))
    with pytest.raises(CacheLost):
        service.cache.write({0: Write(former, b"late", {A: b"stale"})})
    assert world.stored(0)[A] == b"a2"


def test_an_unfinished_catch_up_is_gone_on_with(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_WRITE_BYTES", 0)
    world.broker.chunk = 1
    task = service.restore(0, Position(12, 5, 0), "owner")
    assert next(task)
    task.close()
    stamp = service.cache.read(0)
    assert stamp is not None
    assert Checkpoint.decode(stamp.checkpoint).output == 4
    restore(service, Position(12, 5, 0), "next")
    assert world.stored(0) == {A: b"a2", C: b"c1"}
    assert rebuilds(service) == 1


def writes(service: Service) -> list[Mapping[bytes, bytes | None]]:
    """Return a list that has the snapshots of each write, as they come."""
    written: list[Mapping[bytes, bytes | None]] = []
    fill = service.cache.fill

    def noted(partition: int, write: Write) -> None:
        written.append(write.snapshots)
        fill(partition, write)

    service.cache.fill = noted  # type: ignore[method-assign]
    return written


def test_snapshots_of_a_key_that_stand_together_are_written_once(
    world: World,
) -> None:
    service = world.service()
    publish(world, (A, b"a1"), (B, b"b1"), (A, b"a2"), (B, None))
    written = writes(service)
    world.broker.chunk = 1
    restore(service, Position(10, 4, 0))
    assert written == [{A: b"a2", B: None}]
    assert world.stored(0) == {A: b"a2"}


def test_a_key_that_comes_again_takes_no_more_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = world.service()
    monkeypatch.setattr("processor.state.restore._WRITE_BYTES", 2 * len(A + b"a1"))
    publish(world, *[(A, b"a1")] * 10)
    world.broker.chunk = 1
    written = writes(service)
    restore(service, Position(10, 10, 0))
    assert written == [{A: b"a1"}]


def stand(world: World, checkpoint: bytes) -> None:
    """Put another checkpoint beside the sessions that stand, and one session that is wrong."""
    generation = world.server.text(world.keys.current(0))
    world.server.put(world.keys.sessions(0, generation), {b"": checkpoint, b"1:wrong": b"w"})


FOUND = Checkpoint(
    cluster="the-fake-cluster",
    updates="id-of-updates",
    sessions="id-of-sessions",
    epoch=0,
    owner="former",
    offset=10,
    output=3,
    written=START,
)


def test_such_a_checkpoint_is_read_on_from(world: World, service: Service) -> None:
    """The ground on which the next test's differences stand."""
    stand(world, FOUND.encode())
    restore(service, Position(12, 5, 0))
    assert b"1:wrong" in world.stored(0)
    assert rebuilds(service) == 1


@pytest.mark.parametrize(
    "difference",
    [
        {"offset": 13},
        {"output": 6},
        {"epoch": 1},
        {"cluster": "another"},
        {"updates": "another"},
        {"sessions": "another"},
        {"filled": 0},
        {"filled": 3},
    ],
    ids=str,
)
def test_what_cannot_be_read_on_from_is_rebuilt(
    world: World, service: Service, difference: dict[str, Any]
) -> None:
    stand(world, FOUND._replace(**difference).encode())
    restore(service, Position(12, 5, 0))
    assert world.stored(0) == {A: b"a2", C: b"c1"}
    assert rebuilds(service) == 2


@pytest.mark.parametrize("foreign", [b"", b"{}", b"\xff", b"[1]", b'{"format":2,"readable":2}'])
def test_a_foreign_checkpoint_is_rebuilt(world: World, service: Service, foreign: bytes) -> None:
    stand(world, foreign)
    restore(service, Position(12, 5, 0))
    assert world.stored(0) == {A: b"a2", C: b"c1"}


@pytest.mark.parametrize(
    ("age", "output", "kept", "rebuilt"),
    [
        (DAY_MS // 2 - 1000, 5, DAY_MS, False),
        (DAY_MS // 2, 5, DAY_MS, True),
        (DAY_MS // 2, 5, DAY_MS * 2, False),
        (DAY_MS // 4, 5, DAY_MS // 2, True),
        (DAY_MS * 9, 3, DAY_MS, False),
        (-50_000, 5, DAY_MS, False),
        (-60_000, 5, DAY_MS, True),
    ],
)
def test_an_old_checkpoint_may_have_missed_tombstones(
    world: World, service: Service, age: int, output: int, kept: int, *, rebuilt: bool
) -> None:
    """Unless nothing was published since. What was written in the future may be old.

    How long tombstones are kept may be changed while a service runs.
    """
    world.clock.now = age / 1000
    world.broker.tombstones_kept_ms = kept
    restore(service, Position(12, output, 0))
    assert (rebuilds(service) == 2) == rebuilt


def test_a_rebuild_leaves_what_stands_until_it_is_done(world: World, service: Service) -> None:
    world.broker.chunk = 2
    stamp = service.cache.read(0)
    task = service.restore(0, Position(12, 5, 1), "owner")
    for _ in range(3):
        next(task)
        assert service.cache.read(0) == stamp
    assert done(task) == service.cache.read(0) != stamp
    assert world.stored(0) == {A: b"a2", C: b"c1"}


def test_an_owner_that_reads_on_unlinks_what_a_rebuild_left(world: World, service: Service) -> None:
    world.broker.chunk = 1
    before = set(world.server.hashes)
    task = service.restore(0, Position(12, 5, 1), "owner")
    next(task)
    task.close()
    assert set(world.server.hashes) > before
    restore(service, Position(12, 5, 0), "next")
    assert set(world.server.hashes) == before - {world.keys.latest(0)}
    assert rebuilds(service) == 2


def test_an_unfinished_rebuild_is_no_ground(world: World) -> None:
    world.broker.chunk = 1
    service = world.service()
    publish(world, (A, b"a1"), (B, b"b1"))
    task = service.restore(0, Position(10, 2, 0), "owner")
    assert next(task)
    task.close()
    assert service.cache.read(0) is None
    restore(service, Position(10, 2, 0), "next")
    assert world.stored(0) == {A: b"a1", B: b"b1"}
    assert len(world.server.hashes) == 3  # two pointers, and one generation


def test_an_owner_that_was_overtaken_loses_the_cache(world: World, service: Service) -> None:
    world.broker.chunk = 1
    task = service.restore(0, Position(12, 5, 1), "overtaken")
    next(task)
    restore(service, Position(12, 5, 1), "owner")
    with pytest.raises(CacheLost):
        done(task)
    assert world.stored(0) == {A: b"a2", C: b"c1"}


def test_only_so_many_are_restored_at_once(world: World) -> None:
    service = world.service()
    position = Position(1, 1, 0)
    publish(world, (A, b"a1"))
    tasks = [service.restore(0, position, f"owner-{n}") for n in range(AT_ONCE + 1)]
    assert [next(task) for task in tasks] == [True] * AT_ONCE + [False]
    tasks[0].close()
    assert next(tasks[-1])
    assert done(tasks[-1]) == service.cache.read(0)


def test_records_without_a_key_are_passed(world: World) -> None:
    service = world.service()
    world.broker.append(Outgoing(Topic.SESSIONS, 0, 0, None, b"x", ()))
    world.broker.append(Outgoing(Topic.SESSIONS, 0, 0, b"", b"x", ()))
    publish(world, (A, b"a1"))
    restore(service, Position(1, 3, 0))
    assert world.stored(0) == {A: b"a1"}
