"""Retention: what nobody updates any more is ended by the owner, and nothing else."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count

import pytest
from fakes.clock import FakeClock
from fakes.redis import FakeClaims
from fakes.service import LIMITS, PARTITIONS, STREAM, Service, World, partition_of
from golden import encoded, update
from structlog.testing import capture_logs

from processor.core.command import SessionCommand
from processor.dead_letters.limits import FloodLimits
from processor.demo.traffic import DemoUpdate
from processor.ports.log import Committed, LogUnavailable, Outgoing, Topic
from processor.ports.sessions import Want
from processor.runtime import retention
from processor.runtime.retention import interval
from processor.state.claims import claims_stream

DAY_MS = 86_400_000
TODAY = 100
KEEPING = LIMITS._replace(keep={"closed": 30 * DAY_MS, "open": 90 * DAY_MS})
_numbers = count(1)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(retention, "LONGEST_INTERVAL_S", 60.0)
    return World(FakeClock(day_ms=TODAY * DAY_MS))


def feed(world: World, session: str, day: int, state: str | None = None) -> None:
    key = f"1:{session}".encode()
    value = encoded(update(next(_numbers), session, state=state))
    world.feed([DemoUpdate(key, value, (), day * DAY_MS, partition_of(key))])


def feed_many(world: World, each: int = 40) -> set[bytes]:
    """Feed sessions of which every third is to stay; return the keys of those."""
    for number in range(each):
        feed(world, f"{number}", 1 if number % 3 else TODAY - 1)
        if number % 2:
            feed(world, f"{number}", 2 if number % 3 else TODAY, "closed")
    return {b"1:%d" % number for number in range(0, each, 3)}


def process(world: World) -> None:
    """Have all processed by a service that keeps sessions for ever, and is gone then."""
    service = world.service()
    service.run_until_processed()
    service.subscription.close()


def left(world: World) -> set[bytes]:
    return {key for partition in range(PARTITIONS) for key in world.stored(partition)}


def run(world: World, service: Service, rounds: float = 2) -> None:
    """Run for so many rounds, and until all is folded."""
    until = world.clock.now + rounds * interval(KEEPING.keep)
    service.run_until(lambda: world.clock.now > until and service.at_rest())


def ended(service: Service) -> float:
    return sum(
        service.counted("expired_total", {"state": state})
        for state in ("open", "closed", "cancelled")
    )


def test_what_is_due_by_its_state_is_ended_and_nothing_else(world: World) -> None:
    feed(world, "closed", 70)
    feed(world, "closed", 69, "closed")
    feed(world, "closed-lately", 1)
    feed(world, "closed-lately", 71, "closed")
    feed(world, "open", 10)
    feed(world, "open-lately", 11)
    feed(world, "cancelled", 1)
    feed(world, "cancelled", 1, "cancelled")
    service = world.service(KEEPING)
    with capture_logs() as logs:
        run(world, service)
    assert left(world) == {b"1:closed-lately", b"1:open-lately", b"1:cancelled"}
    assert service.counted("expired_total", {"state": "closed"}) == 1
    assert service.counted("expired_total", {"state": "open"}) == 1
    assert service.counted("commands_total", {"command": "expire", "outcome": "passed-over"}) == 0
    swept = [each for each in logs if each["event"].startswith("output swept")]
    assert {"closed": 1, "open": 1}.items() <= {
        state: many for each in swept for state, many in each["sent"].items()
    }.items()
    assert "1:closed" not in str(swept)
    world.assert_exact()


def test_a_round_has_many_lots_and_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LOT", 3)
    world.broker.chunk = 4
    staying = feed_many(world)
    service = world.service(KEEPING)
    run(world, service)
    assert left(world) == staying
    assert ended(service) == 40 - len(staying)
    world.assert_exact()
    stood = {each: world.broker.extent(Topic.UPDATES, each).end for each in range(PARTITIONS)}
    run(world, service, rounds=3)
    assert stood == {each: world.broker.extent(Topic.UPDATES, each).end for each in stood}


Meanwhile = Callable[[Service, Callable[[SessionCommand], None]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Have something happen once a command is decided upon, before it stands in the log."""

    def of(service: Service, happens: Callable[[SessionCommand], None]) -> None:
        send = service.commands.send

        def sent(partition: int, command: SessionCommand) -> None:
            happens(command)
            send(partition, command)

        monkeypatch.setattr(service.commands, "send", sent)

    return of


def test_an_update_that_stands_before_the_expiry_wins(world: World, meanwhile: Meanwhile) -> None:
    staying = feed_many(world)
    service = world.service(KEEPING)
    updated = set[bytes]()

    def happens(command: SessionCommand) -> None:
        session = command.integration_id
        if int(session) % 4 == 0:
            feed(world, session, TODAY)
            updated.add(f"1:{session}".encode())

    meanwhile(service, happens)
    run(world, service)
    assert updated
    assert left(world) == staying | updated
    assert not staying & updated
    passed = {"command": "expire", "outcome": "passed-over"}
    assert service.counted("commands_total", passed) == len(updated)
    world.assert_exact()


def test_partitions_that_move_in_the_middle_of_a_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile
) -> None:
    monkeypatch.setattr(retention, "LOT", 2)
    staying = feed_many(world)
    services = [world.service(KEEPING)]

    def join(_command: SessionCommand) -> None:
        if len(services) == 1:
            services.append(world.service(KEEPING))

    meanwhile(services[0], join)
    services[0].run_until(lambda: len(services) > 1)
    until = world.clock.now + 2 * interval(KEEPING.keep)
    while world.clock.now < until or not all(each.at_rest() for each in services):
        for each in services:
            each.turn()
    assert left(world) == staying
    assert sum(map(ended, services)) == 40 - len(staying)
    world.assert_exact()


def test_a_process_that_dies_after_it_has_sent(world: World, meanwhile: Meanwhile) -> None:
    staying = feed_many(world)
    service = world.service(KEEPING)
    sent = list[SessionCommand]()
    meanwhile(service, sent.append)
    service.run_until(lambda: bool(sent))
    service.commands.flush(1)
    service.subscription.close()
    another = world.service(KEEPING)
    run(world, another)
    assert left(world) == staying
    world.assert_exact()


def test_a_halted_partition_is_left_alone_and_the_others_are_swept(world: World) -> None:
    staying = feed_many(world)
    process(world)
    halted = partition_of(b"1:1")
    world.feed(DemoUpdate(b"1:x", b"garbage", (), 1, halted) for _ in range(5))
    service = world.service(KEEPING._replace(flood=FloodLimits(consecutive=2), max_batch=2))
    end = world.broker.extent(Topic.UPDATES, halted).end
    until = world.clock.now + 2 * interval(KEEPING.keep)
    service.run_until(lambda: world.clock.now > until)
    assert halted in service.halts.partitions
    assert world.broker.extent(Topic.UPDATES, halted).end == end
    others = [each for each in range(PARTITIONS) if each != halted]
    assert {key for each in others for key in world.stored(each)} == {
        key for key in staying if partition_of(key) != halted
    }


def test_a_partition_that_is_far_behind_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FAR_BEHIND", 3)
    staying = feed_many(world)
    process(world)
    service = world.service(KEEPING)
    behind = partition_of(b"1:1")
    late = {behind}
    ends = service.subscription.ends
    monkeypatch.setattr(
        service.subscription,
        "ends",
        lambda asked: {each: end + 1_000 * (each in late) for each, end in ends(asked).items()},
    )
    end = world.broker.extent(Topic.UPDATES, behind).end
    until = world.clock.now + 2 * interval(KEEPING.keep)
    service.run_until(lambda: world.clock.now > until)
    assert world.broker.extent(Topic.UPDATES, behind).end == end
    late.clear()
    run(world, service)
    assert left(world) == staying
    world.assert_exact()


def test_the_next_lot_waits_until_the_last_one_is_folded(
    world: World, monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile
) -> None:
    monkeypatch.setattr(retention, "LOT", 2)
    world.broker.chunk = 2
    feed_many(world)
    process(world)
    service = world.service(KEEPING._replace(max_batch=1))
    unfolded = list[int]()

    def note(command: SessionCommand) -> None:
        partition = partition_of(f"1:{command.integration_id}".encode())
        end = world.broker.extent(Topic.UPDATES, partition).end
        unfolded.append(end - service.pipeline.offsets()[partition])

    meanwhile(service, note)
    run(world, service)
    assert len(unfolded) > 20
    assert max(unfolded) == 0


def test_nothing_is_sent_while_a_partition_has_a_former_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    staying = feed_many(world)
    process(world)
    service = world.service(KEEPING)
    committed, old = service.coordination.committed, {2}

    def former(partition: int, *, stable: bool) -> Committed | None:
        found = committed(partition, stable=stable)
        if found is None or partition not in old:
            return found
        return found._replace(metadata=re.sub('"format":[0-9]', '"format":1', found.metadata))

    monkeypatch.setattr(service.coordination, "committed", former)
    sizes = [len(each.entries) for each in world.broker.logs[Topic.UPDATES]]
    with capture_logs() as logs:
        until = world.clock.now + 100
        service.run_until(lambda: world.clock.now > until)
    assert sizes == [len(each.entries) for each in world.broker.logs[Topic.UPDATES]]
    assert any("partition 2 was not" in each.get("why", "") for each in logs)
    old.clear()
    run(world, service)
    assert left(world) == staying


def test_a_run_towards_an_end_expires_nothing(world: World) -> None:
    feed_many(world)
    process(world)
    for number in range(200):
        feed(world, f"late-{number}", TODAY)
    sizes = [len(each.entries) for each in world.broker.logs[Topic.UPDATES]]
    service = world.service(KEEPING._replace(max_batch=1), until_end=True)
    service.run_until(lambda: False)
    assert sizes == [len(each.entries) for each in world.broker.logs[Topic.UPDATES]]


def test_a_partition_that_moves_while_a_lot_is_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_LOAD_BYTES", 0)  # one session at a time
    staying = feed_many(world)
    process(world)
    services = [world.service(KEEPING)]
    first = services[0]
    load = first.cache.load

    def moving(wants: Mapping[int, Want], limit: int) -> dict[int, list[bytes | None]]:
        if limit == 0 and len(services) == 1 and PARTITIONS - 1 in wants:
            services.append(world.service(KEEPING))
        return load(wants, limit)

    monkeypatch.setattr(first.cache, "load", moving)
    first.run_until(lambda: len(services) > 1)
    until = world.clock.now + 2 * interval(KEEPING.keep)
    with capture_logs() as logs:
        while world.clock.now < until or not all(each.at_rest() for each in services):
            for each in services:
                each.turn()
    assert any("partition 3 is behind" in each.get("why", "") for each in logs)
    assert PARTITIONS - 1 in services[1].pipeline.owned
    assert left(world) == staying
    world.assert_exact()


def test_one_that_is_held_back_in_its_sweep_keeps_no_other_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FAR_BEHIND", 3)
    staying = feed_many(world)
    process(world)
    service = world.service(KEEPING)
    ends = service.subscription.ends
    asked = list[int]()
    late = {0}

    def behind(partitions: Sequence[int]) -> dict[int, int]:
        """Have it seem to be behind once its sweep has begun."""
        asked.extend(partitions)
        far = late if asked.count(0) > 1 else set[int]()
        return {each: end + 1_000 * (each in far) for each, end in ends(partitions).items()}

    monkeypatch.setattr(service.subscription, "ends", behind)
    end = world.broker.extent(Topic.UPDATES, 0).end
    with capture_logs() as logs:
        until = world.clock.now + interval(KEEPING.keep)
        service.run_until(lambda: world.clock.now > until and service.at_rest())
    assert world.broker.extent(Topic.UPDATES, 0).end == end
    assert any("partition 0 is behind" in each.get("why", "") for each in logs)
    assert {key for each in range(1, PARTITIONS) for key in world.stored(each)} == {
        key for key in staying if partition_of(key) != 0
    }
    late.clear()
    run(world, service)
    assert left(world) == staying
    world.assert_exact()


def test_while_the_claims_are_rebuilt_nothing_is_sent(world: World) -> None:
    for state in (None, "closed"):
        feed(world, "old", TODAY - 29, state)
    service = world.service(KEEPING)
    service.run_until_processed()
    other = FakeClaims(world.server, world.keys)
    world.server.unlink(world.keys.claims())
    generation = other.begin(claims_stream(STREAM)) or ""
    feed(world, "new", TODAY)
    service.run_until(lambda: not service.health.ready().good)
    sizes = [len(each.entries) for each in world.broker.logs[Topic.UPDATES]]
    world.clock.now += DAY_MS / 1000
    until = world.clock.now + 2 * interval(KEEPING.keep)
    service.run_until(lambda: world.clock.now > until, turns=60_000)
    assert sizes == [len(each.entries) for each in world.broker.logs[Topic.UPDATES]]
    other.finish(generation)
    run(world, service)
    assert left(world) == {b"1:new"}


@pytest.mark.parametrize("away", ["redis", "output", "input"])
def test_a_server_that_goes_away_in_the_middle(
    world: World, meanwhile: Meanwhile, away: str
) -> None:
    staying = feed_many(world)
    process(world)
    service = world.service(KEEPING)
    gone = list[SessionCommand]()

    def go(command: SessionCommand) -> None:
        if not gone:
            if away == "redis":
                world.server.available = False
            else:
                topic = Topic.SESSIONS if away == "output" else Topic.UPDATES
                world.broker.leaders_away.update((topic, each) for each in range(PARTITIONS))
        gone.append(command)

    meanwhile(service, go)
    service.run_until(lambda: bool(gone))
    until = world.clock.now + 120
    service.run_until(lambda: world.clock.now > until, turns=60_000)
    world.server.restart()
    world.server.available = True
    world.broker.leaders_away.clear()
    run(world, service)
    assert left(world) == staying
    world.assert_exact()


def test_a_snapshot_that_cannot_be_read_holds_up_nothing(world: World) -> None:
    staying = feed_many(world)
    service = world.service()
    service.run_until_processed()
    foreign = Outgoing(Topic.SESSIONS, 0, DAY_MS, b"1:foreign", b"not avro", ())
    world.broker.append(foreign)
    more = {f"more-{number}" for number in range(20)}
    for each in more:
        feed(world, each, TODAY)
    service.run_until_processed()
    service.subscription.close()
    service = world.service(KEEPING)
    with capture_logs() as logs:
        run(world, service)
    assert left(world) == staying | {f"1:{each}".encode() for each in more}
    assert {(each["partition"], each["records"]) for each in logs if "first" in each} == {(0, 1)}


def test_the_fault_of_one_partition_is_its_own(world: World, meanwhile: Meanwhile) -> None:
    staying = feed_many(world)
    process(world)
    service = world.service(KEEPING)
    faulty = {0}

    def fails(command: SessionCommand) -> None:
        if partition_of(f"1:{command.integration_id}".encode()) in faulty:
            raise LogUnavailable("it takes nothing")

    meanwhile(service, fails)
    with capture_logs() as logs:
        run(world, service)
    assert {key for key in left(world) if partition_of(key) != 0} == {
        key for key in staying if partition_of(key) != 0
    }
    assert left(world) != staying
    assert any(each.get("why") == "partition 0: it takes nothing" for each in logs)
    faulty.clear()
    run(world, service)
    assert left(world) == staying
    world.assert_exact()
