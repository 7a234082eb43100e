"""A stranger's transaction that stays open: named, with what finds and ends it."""

import pytest
from fakes.broker import Transaction
from fakes.clock import FakeClock
from fakes.service import PARTITIONS, Service, World
from structlog.testing import capture_logs

from processor.ports.log import Outgoing, Topic
from processor.runtime.open_transactions import HELD_UP_S, SAY_AGAIN_S
from processor.runtime.partition_watch import ASK_S
from processor.runtime.recovery import CHECK_S

WHERE = 1
NAMED_S = HELD_UP_S + 2 * ASK_S + 2 * CHECK_S
BEGAN = 1_800_000_000


@pytest.fixture
def world() -> World:
    return World(FakeClock(BEGAN))


def leave_open(world: World, topic: Topic) -> int:
    """Have another's transaction open in one partition; return its first offset."""
    transaction = world.broker.open["stranger"] = Transaction()
    world.broker.append(Outgoing(topic, WHERE, -1, b"1:x", b"\xff", ()), transaction)
    return transaction.first[topic, WHERE]


def subject(topic: Topic) -> str:
    return f"transaction on {topic.value} partition {WHERE}"


def seconds_open(service: Service, topic: Topic) -> float:
    labels = {"partition": str(WHERE), "topic": topic.value}
    return service.counted("open_transaction_seconds", labels)


@pytest.mark.parametrize("topic", [Topic.UPDATES, Topic.SESSIONS])
def test_it_is_named_within_a_minute_and_once(world: World, topic: Topic) -> None:
    service = world.service()
    world.feed_harsh(200, seed=1)
    service.run_until_processed()
    offset = leave_open(world, topic)
    world.clock.wait(60)
    world.feed_harsh(200, seed=2)
    until = world.clock.now + NAMED_S
    with capture_logs() as log:
        service.run_until(lambda: subject(topic) in service.warnings)
        assert world.clock.now <= until
        service.run_until(lambda: world.clock.now > until + SAY_AGAIN_S / 2, turns=10_000)
    (told,) = [each for each in log if each["event"].startswith("open transaction")]
    assert (told["log_level"], told["topic"], told["partition"]) == ("warning", topic.value, WHERE)
    assert (told["offset"], told["since"]) == (offset, "2027-01-15T08:00:00.500Z")
    wanted = (
        f"kafka-transactions --bootstrap-server broker:9092 abort --topic {topic.value} "
        f"--partition {WHERE} --start-offset {offset}"
    )
    assert wanted in told["hint"]
    assert wanted in service.warnings[subject(topic)]
    assert seconds_open(service, topic) >= HELD_UP_S
    assert service.health.ready()[0]
    assert service.counted("stalled", {"partition": str(WHERE)}) == 0
    world.broker.end("stranger", commit=False)
    service.run_until(lambda: not service.warnings)
    assert seconds_open(service, topic) == 0
    world.feed_harsh(200, seed=3)
    service.run_until_processed()


def test_one_on_the_output_is_named_to_who_waits_with_a_takeover(world: World) -> None:
    leave_open(world, Topic.SESSIONS)
    service = world.service()
    service.run_until(lambda: subject(Topic.SESSIONS) in service.warnings)
    assert world.clock.now - BEGAN <= NAMED_S
    assert service.owns(set(range(PARTITIONS)) - {WHERE})
    assert not service.health.ready()[0]


def test_transactions_that_end_are_not_named(world: World) -> None:
    """The stable end stands before other records at each look, and each time elsewhere."""
    service = world.service()
    service.run_until_processed()
    leave_open(world, Topic.UPDATES)

    def another() -> None:
        world.broker.end("stranger", commit=True)
        leave_open(world, Topic.UPDATES)
        world.clock.after(HELD_UP_S / 2, another)

    world.clock.after(HELD_UP_S / 2, another)
    until = world.clock.now + 4 * NAMED_S
    service.run_until(lambda: world.clock.now > until)
    assert service.warnings == {}


def test_what_is_told_of_a_partition_ends_with_its_assignment(world: World) -> None:
    service = world.service()
    service.run_until_processed()
    leave_open(world, Topic.UPDATES)
    service.run_until(lambda: subject(Topic.UPDATES) in service.warnings)
    world.broker.group.leave(world.broker.group.members[0])
    world.broker.group.join("another")
    world.broker.group.owners[WHERE] = "another"
    service.run_until(lambda: not service.owns(range(PARTITIONS)))
    service.run_until(lambda: service.health.ready()[0])
    assert WHERE not in service.pipeline.owned
    assert service.warnings == {}
    labels = {"partition": str(WHERE), "topic": "updates"}
    name = "session_processor_open_transaction_seconds"
    assert service.metrics.registry.get_sample_value(name, labels) is None
