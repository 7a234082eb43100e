"""Offsets that are committed though no record came: behind markers, and again at rest."""

from collections.abc import Mapping

import pytest
from fakes.broker import Transaction
from fakes.service import LIMITS, PARTITIONS, STREAM, World

from processor.dead_letters.limits import FloodLimits
from processor.ports.log import (
    BatchAborted,
    Committed,
    Membership,
    Outgoing,
    ProducerLost,
    Topic,
)
from processor.runtime.idle import LOOK_S, RECOMMIT_S
from processor.state.checkpoint import CommitMetadata

EVERY = range(PARTITIONS)


def write(world: World, count: int, *, committed: bool = True) -> None:
    """Write to each partition in a transaction, which leaves its marker."""
    transaction = world.broker.open["writer"] = Transaction()
    for partition in EVERY:
        for number in range(count):
            world.broker.append(
                Outgoing(Topic.UPDATES, partition, number, b"1:x", b"garbage", ()), transaction
            )
    world.broker.end("writer", commit=committed)


def offsets(world: World) -> dict[int, int]:
    return {partition: each.offset for partition, each in world.broker.committed.items()}


def ends(world: World) -> dict[int, int]:
    return {each: world.broker.extent(Topic.UPDATES, each).end for each in EVERY}


def letters(world: World) -> list[int]:
    return [len(world.records(Topic.DEAD_LETTERS, each)) for each in EVERY]


@pytest.mark.parametrize("read", [True, False], ids=["read", "aborted"])
def test_what_was_passed_is_committed_so_that_retention_may_empty_the_log(
    world: World, *, read: bool
) -> None:
    write(world, 3, committed=read)
    service = world.service()
    service.run_until(lambda: offsets(world) == ends(world) == dict.fromkeys(EVERY, 4))
    assert world.clock.now <= 4 * LOOK_S
    identity = service.publication.identity()
    for committed in world.broker.committed.values():
        metadata = CommitMetadata.decode(committed.metadata, STREAM.cluster)
        assert (metadata.identity, metadata.output, metadata.stream) == (identity, 0, STREAM)
    for log in world.broker.logs[Topic.UPDATES]:
        log.start = len(log.entries)
    service.subscription.close()
    write(world, 2)
    world.service().run_until_processed()
    assert letters(world) == [5 if read else 2] * PARTITIONS


def test_while_records_come_what_is_passed_costs_no_commit_of_its_own(world: World) -> None:
    service = world.service()
    service.run_until(lambda: service.owns(EVERY))
    commit, commits = service.publication.commit, list[float]()

    def counted(offsets: Mapping[int, Committed], membership: Membership) -> None:
        commits.append(world.clock.now)
        commit(offsets, membership)

    service.publication.commit = counted  # type: ignore[method-assign]
    for batch in range(1, 21):
        write(world, 1)
        service.run_until(lambda due=batch: len(commits) >= due)  # type: ignore[misc]
        until = world.clock.now + LOOK_S / 2
        service.run_until(lambda until=until: world.clock.now > until)  # type: ignore[misc]
    assert len(commits) == 20
    service.run_until(lambda: offsets(world) == ends(world))
    assert len(commits) == 21


@pytest.mark.parametrize("error", [BatchAborted("refused"), ProducerLost("lost")])
@pytest.mark.parametrize("step", ["begin", "flush", "commit", "committed"])
def test_a_commit_that_fails_is_made_again(world: World, error: Exception, step: str) -> None:
    service = world.service()
    write(world, 3)
    service.run_until(lambda: letters(world) == [3] * PARTITIONS)

    def fails() -> None:
        raise error

    world.broker.at(step, fails)
    service.run_until(lambda: offsets(world) == ends(world))
    write(world, 3)
    service.run_until(lambda: offsets(world) == ends(world))
    assert letters(world) == [6] * PARTITIONS


def test_what_waits_is_not_passed(world: World) -> None:
    """A batch whose commit is refused again and again was read, and is not processed."""
    service = world.service()
    service.run_until(lambda: service.owns(EVERY))
    before = world.clock.now

    def refused() -> None:
        raise BatchAborted("refused")

    world.broker.at("flush", refused, times=1_000)
    write(world, 3)
    service.run_until(lambda: world.clock.now > before + 10 * LOOK_S)
    assert offsets(world) == dict.fromkeys(EVERY, 0)


def test_an_offset_that_stands_still_is_committed_again(world: World) -> None:
    """Of a halted partition too: brokers would forget it, as they do here."""
    service = world.service(LIMITS._replace(flood=FloodLimits(consecutive=5)))
    service.run_until(lambda: service.owns(EVERY))
    for number in range(20):
        world.broker.append(Outgoing(Topic.UPDATES, 0, number, b"1:x", b"garbage", ()))
    service.run_until(lambda: bool(service.halts.partitions) and world.clock.now > 100)
    before = dict(world.broker.committed)
    world.broker.committed.clear()
    world.clock.now += RECOMMIT_S - 200
    until = world.clock.now + 50
    service.run_until(lambda: world.clock.now > until)
    assert world.broker.committed == {}
    world.clock.now += 200

    def refused() -> None:
        raise BatchAborted("refused")

    world.broker.at("commit", refused)
    service.run_until(lambda: len(world.broker.committed) == PARTITIONS)
    assert world.broker.committed == before
    assert list(service.halts.partitions) == [0]


def test_a_run_to_its_end_leaves_nothing_behind_it_uncommitted(world: World) -> None:
    write(world, 3, committed=False)
    write(world, 3)
    service = world.service(until_end=True)
    frozen = ends(world)
    write(world, 3)
    service.run_until(lambda: False)
    assert offsets(world) == frozen
    assert letters(world) == [3] * PARTITIONS
