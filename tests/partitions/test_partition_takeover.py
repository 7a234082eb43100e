"""Taking a partition over: whose it was, whether it is ours, and what is refused."""

from collections.abc import Generator
from typing import Any, TypeVar

import pytest
from fakes.broker import Transaction
from fakes.service import PARTITIONS, STREAM, Service, World

from processor.errors import FailClosed
from processor.partitions.fencing import OPEN_TOO_LONG_S
from processor.ports.log import BatchAborted, Committed, LogUnavailable, Outgoing, Topic
from processor.state.checkpoint import CommitMetadata, Position, Stream

Answer = TypeVar("Answer")
NOON = 1_700_000_000_000


def done(world: World, task: Generator[bool, None, Answer], patience: float = 60.0) -> Answer:
    """Step a task to its end; time passes while it waits."""
    until = world.clock.now + patience
    while world.clock.now < until:
        try:
            if not next(task):
                world.clock.wait(0.05)
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer
    raise AssertionError("it does not end")


def take_over(world: World, service: Service | None = None, partition: int = 0) -> Position:
    service = service or world.service()
    service.membership()
    if not service.publication.identity():
        service.publication.replace()
    return done(world, service.takeover.take_over(partition))


def told_of_the_offset(world: World) -> tuple[Service, Generator[bool, None, Position]]:
    """Begin a takeover that has been told what is committed, or that nothing is, and no more."""
    service = world.service()
    service.membership()
    service.publication.replace()
    task = service.takeover.take_over(0)
    assert next(task)
    return service, task


def write(world: World, topic: Topic, count: int = 1, partition: int = 0) -> None:
    for number in range(count):
        world.broker.append(Outgoing(topic, partition, NOON + number, b"1:a", b"v", ()))


def commit(world: World, offset: int, output: int = 0, *, epoch: int = 0, **changes: Any) -> None:
    """Have an earlier owner commit an offset, of a stream that may differ from ours."""
    text = CommitMetadata("earlier", output, STREAM._replace(**changes), epoch).encode()
    world.broker.committed[0] = Committed(offset, text)


def test_a_virgin_partition_begins_at_its_start_and_is_committed_at_once(world: World) -> None:
    write(world, Topic.UPDATES, 5)
    world.broker.logs[Topic.UPDATES][0].start = 2
    service = world.service()
    position = take_over(world, service)
    assert position == Position(offset=2, output=0, epoch=0)
    metadata = CommitMetadata(service.publication.identity(), 0, STREAM, 0)
    assert world.broker.committed == {0: Committed(2, metadata.encode())}


@pytest.mark.parametrize(
    ("start", "offset"), [("earliest", 0), ("latest", 5), (NOON + 3, 3), (NOON + 99, 5)]
)
def test_where_a_virgin_partition_begins_can_be_said(world: World, start: Any, offset: int) -> None:
    write(world, Topic.UPDATES, 5)
    assert take_over(world, world.service(start=start)).offset == offset


def test_a_start_says_nothing_of_a_partition_that_was_processed(world: World) -> None:
    write(world, Topic.UPDATES, 5)
    write(world, Topic.SESSIONS, 9)
    commit(world, 3, output=9, epoch=4)
    service = world.service(start="latest")
    assert take_over(world, service) == Position(3, 9, 4)
    metadata = CommitMetadata(service.publication.identity(), 9, STREAM, 4)
    assert world.broker.committed[0] == Committed(3, metadata.encode())


def test_aborted_output_leaves_a_partition_virgin(world: World) -> None:
    transaction = world.broker.open["aborted"] = Transaction()
    for topic in (Topic.SESSIONS, Topic.DEAD_LETTERS):
        world.broker.append(Outgoing(topic, 0, NOON, b"1:a", b"v", ()), transaction)
    world.broker.end("aborted", commit=False)
    assert take_over(world) == Position(0, 0, 0)


def test_without_a_membership_nothing_is_taken_over(world: World) -> None:
    service = world.service()
    service.publication.replace()
    task = service.takeover.take_over(0)
    assert [next(task) for _ in range(3)] == [False] * 3
    service.membership()
    assert done(world, task) == Position(0, 0, 0)


def test_an_offset_commits_under_the_membership_of_the_beginning(world: World) -> None:
    """One that the group gave later could be another's who is not the owner any more."""
    commit(world, 0)
    leave_open(world, "earlier")
    service = world.service()
    service.membership()
    service.publication.replace()
    task = service.takeover.take_over(0)
    assert not next(task)
    world.service().membership()
    service.subscription.take(1, 0)
    with pytest.raises(Exception, match="membership"):
        done(world, task)
    assert CommitMetadata.decode(world.broker.committed[0].metadata, "c").identity == "earlier"


# Open transactions


def leave_open(world: World, identity: str, *, offsets: bool = True) -> None:
    transaction = world.broker.open[identity] = Transaction()
    world.broker.append(Outgoing(Topic.SESSIONS, 0, NOON, b"1:a", b"v", ()), transaction)
    if offsets:
        transaction.offsets[0] = Committed(1, "never")


@pytest.mark.parametrize("offsets", [True, False])
def test_a_dead_owners_transaction_is_fenced_after_a_second(world: World, *, offsets: bool) -> None:
    write(world, Topic.UPDATES, 5)
    commit(world, 0)
    leave_open(world, "earlier", offsets=offsets)
    assert take_over(world) == Position(0, 0, 0)
    assert world.broker.epochs["earlier"] == 1
    assert OPEN_TOO_LONG_S < world.clock.now < OPEN_TOO_LONG_S + 0.5


def test_a_live_owners_transaction_is_waited_for(world: World) -> None:
    write(world, Topic.UPDATES, 5)
    write(world, Topic.SESSIONS, 1)
    commit(world, 0)
    leave_open(world, "earlier")
    metadata = CommitMetadata("earlier", 2, STREAM, 0).encode()
    world.broker.open["earlier"].offsets[0] = Committed(4, metadata)
    world.clock.after(0.5, lambda: world.broker.end("earlier", commit=True))
    assert take_over(world) == Position(4, 2, 0)
    assert world.broker.epochs["earlier"] == 0


@pytest.mark.parametrize("text", [None, "somebody's text"])
def test_a_transaction_of_an_owner_without_a_name_ends_by_itself(
    world: World, text: str | None
) -> None:
    leave_open(world, "nameless")
    if text is not None:
        world.broker.committed[0] = Committed(0, text)
    world.clock.after(15.0, lambda: world.broker.end("nameless", commit=False))
    if text is None:
        assert take_over(world) == Position(0, 0, 0)
    else:
        with pytest.raises(FailClosed, match="somebody reset it"):
            take_over(world)
    assert world.clock.now > 15.0
    assert world.broker.epochs["nameless"] == 0


def test_a_fence_that_is_not_done_is_asked_for_again_and_once_done_no_more(world: World) -> None:
    """What another producer has open, after that, has to end by itself."""
    commit(world, 0)
    leave_open(world, "another")
    service = world.service()
    asked: list[str] = []

    def fence(identity: str) -> bool:
        asked.append(identity)
        return len(asked) == 3

    service.coordination.fence = fence  # type: ignore[method-assign]
    world.clock.after(9.0, lambda: world.broker.end("another", commit=False))
    take_over(world, service)
    assert asked == ["earlier"] * 3


def test_without_answers_it_is_unavailable(world: World) -> None:
    service = world.service()
    service.membership()
    service.publication.replace()
    world.broker.available = False
    with pytest.raises(LogUnavailable):
        next(service.takeover.take_over(0))


# What is refused


def refused(world: World) -> str:
    """Return why, and see that nothing was committed and that a command is named."""
    before = dict(world.broker.committed)
    with pytest.raises(FailClosed) as error:
        take_over(world)
    assert world.broker.committed == before
    assert "session-processor" in error.value.hint
    return error.value.message


@pytest.mark.parametrize("topic", [Topic.SESSIONS, Topic.DEAD_LETTERS])
def test_a_missing_offset_of_a_partition_with_output(world: World, topic: Topic) -> None:
    write(world, topic)
    message = refused(world)
    assert message.startswith("updates partition 0 has no committed offset, but")
    assert f"{topic.value} partition 0 has records" in message


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "{", '{"format":1,"readable":1}'])
def test_an_offset_without_our_metadata(world: World, text: str) -> None:
    world.broker.committed[0] = Committed(0, text)
    message = refused(world)
    assert message.startswith("the committed offset 0 of updates partition 0 was not committed by")
    assert "somebody reset it" in message


def test_an_offset_of_a_newer_version_is_not_for_a_repair(world: World) -> None:
    world.broker.committed[0] = Committed(0, '{"format":9,"readable":9}')
    with pytest.raises(FailClosed, match="cannot read: 9") as error:
        take_over(world)
    assert "run that version again" in error.value.hint
    assert "offsets repair" not in error.value.hint


def test_a_partition_that_was_added(world: World) -> None:
    service = world.service()
    with pytest.raises(FailClosed, match=r"partition 4 was added: the input had 4 partitions"):
        next(service.takeover.take_over(PARTITIONS))


@pytest.mark.parametrize("topic", list(Topic))
def test_a_topic_that_was_created_again(world: World, topic: Topic) -> None:
    changes: dict[str, Any] = {topic.name.lower(): "former-id"}
    commit(world, 0, **changes)
    assert refused(world).endswith(
        f"topic {topic.value} was former-id and is id-of-{topic.value}: "
        "it was deleted and created again"
    )


def test_another_partition_count(world: World) -> None:
    commit(world, 0, partitions=3)
    assert f"the input had 3 partitions and has {PARTITIONS}: keys have moved" in refused(world)


def test_another_framing(world: World) -> None:
    commit(world, 0, framing="confluent")
    assert "was framed as confluent and would now be framed as single-object" in refused(world)


def test_an_output_that_ends_below_what_was_published(world: World) -> None:
    write(world, Topic.UPDATES, 5)
    write(world, Topic.SESSIONS, 3)
    commit(world, 5, output=4)
    assert refused(world) == (
        "sessions partition 0 ends at offset 3, but snapshots up to 4 were committed: "
        "published snapshots are gone"
    )


def wrote(world: World, value: bytes | None = b"v", *, committed: bool = True) -> None:
    """Have an owner publish something, with its marker."""
    transaction = world.broker.open["earlier"] = Transaction()
    world.broker.append(Outgoing(Topic.SESSIONS, 0, NOON, b"1:a", value, ()), transaction)
    world.broker.end("earlier", commit=committed)


def test_a_snapshot_beyond_what_was_committed(world: World) -> None:
    """The offsets' own topic lost its end: what is committed is valid, and was true once."""
    write(world, Topic.UPDATES, 5)
    for _ in range(3):
        wrote(world)
    commit(world, 3, output=3)
    assert refused(world) == (
        "sessions partition 0 has a snapshot at offset 4, but by the committed offset 3 of updates "
        "partition 0 the next one comes at 3: later commits are gone, and to go on from there "
        "would publish again what is there"
    )


def test_what_is_no_snapshot_may_stand_beyond_what_was_committed(world: World) -> None:
    write(world, Topic.UPDATES, 5)
    wrote(world)
    wrote(world, committed=False)
    wrote(world, None)
    wrote(world, committed=False)
    commit(world, 3, output=1)
    assert take_over(world) == Position(3, 1, 0)


@pytest.mark.parametrize("offset", [1, 6])
def test_an_offset_outside_of_the_input(world: World, offset: int) -> None:
    write(world, Topic.UPDATES, 5)
    world.broker.logs[Topic.UPDATES][0].start = 2
    commit(world, offset)
    assert f"updates partition 0 has offsets 2 to 5, but {offset} is to be read" in refused(world)


@pytest.mark.parametrize("offset", [2, 5])
def test_an_offset_at_either_end_of_the_input_is_good(world: World, offset: int) -> None:
    write(world, Topic.UPDATES, 5)
    world.broker.logs[Topic.UPDATES][0].start = 2
    commit(world, offset)
    assert take_over(world).offset == offset


def test_all_of_a_stream_is_compared(world: World) -> None:
    """Whatever is added to what identifies a stream: another value is refused."""
    for field in set(Stream._fields) - {"cluster"}:
        other: dict[str, Any] = {field: 99 if field == "partitions" else "other"}
        commit(world, 0, **other)
        assert refused(world)


# Standing still meanwhile


def test_a_partition_that_another_began_meanwhile_is_not_refused(world: World) -> None:
    """The process stood still after it was told that there is no offset."""
    write(world, Topic.UPDATES, 5)
    _, task = told_of_the_offset(world)
    write(world, Topic.SESSIONS, 2)
    commit(world, 2, output=2, epoch=1)
    assert done(world, task) == Position(2, 2, 1)


def test_an_offset_that_another_moved_on_from_meanwhile_is_not_refused(world: World) -> None:
    """By then the input may have lost what is behind the newer one."""
    write(world, Topic.UPDATES, 5)
    commit(world, 1)
    _, task = told_of_the_offset(world)
    commit(world, 4, epoch=1)
    world.broker.logs[Topic.UPDATES][0].start = 3
    assert done(world, task) == Position(4, 0, 1)


def test_what_another_published_meanwhile_is_not_refused(world: World) -> None:
    write(world, Topic.UPDATES, 5)
    commit(world, 1)
    _, task = told_of_the_offset(world)
    wrote(world)
    commit(world, 4, output=1, epoch=1)
    assert done(world, task) == Position(4, 1, 1)


def test_what_stands_still_meanwhile_commits_nothing_under_its_former_membership(
    world: World,
) -> None:
    write(world, Topic.UPDATES, 5)
    service, task = told_of_the_offset(world)
    world.broker.group.leave(service.subscription.member)
    write(world, Topic.SESSIONS, 2)
    commit(world, 2, output=2, epoch=1)
    before = dict(world.broker.committed)
    with pytest.raises(BatchAborted, match="membership"):
        done(world, task)
    assert world.broker.committed == before
