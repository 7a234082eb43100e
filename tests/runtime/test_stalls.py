"""Partitions that have records and deliver none: seen within a minute, told, renewed."""

from collections.abc import Callable

import pytest
from fakes.broker import FakeBroker
from fakes.clock import FakeClock
from fakes.log import FakeSubscription
from fakes.service import LIMITS, PARTITIONS, Service, World
from structlog.testing import capture_logs

from processor.dead_letters.limits import FloodLimits
from processor.ports.log import Ends, Outgoing, Topic
from processor.runtime.partition_watch import ASK_S
from processor.runtime.recovery import CHECK_S
from processor.runtime.stalls import BEHIND_OTHERS_S, RENEW_AGAIN_S, STALLED_S, StallWatch
from processor.telemetry.health import Health
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer

STUCK = 1
SUBJECT = f"fetching of partition {STUCK}"
NOTICED_S = STALLED_S + 2 * ASK_S + 2 * CHECK_S


def stalled(service: Service, partition: int = STUCK) -> float:
    return service.counted("stalled", {"partition": str(partition)})


def run_for(service: Service, seconds: float) -> None:
    until = service.world.clock.now + seconds
    service.run_until(lambda: service.world.clock.now >= until)


def seconds_until(service: Service, holds: Callable[[], bool]) -> float:
    since = service.world.clock.now
    service.run_until(holds)
    return service.world.clock.now - since


@pytest.fixture
def service(world: World) -> Service:
    """One that has processed something, and in which nothing is stalled."""
    world.feed_harsh(200, seed=1)
    made = world.service()
    made.run_until_processed()
    run_for(made, ASK_S + 2 * CHECK_S)
    assert [stalled(made, each) for each in range(PARTITIONS)] == [0] * PARTITIONS
    return made


def test_a_stuck_fetch_is_told_and_renewed(world: World, service: Service) -> None:
    service.subscription.stuck.add(STUCK)
    world.feed_harsh(200, seed=2)
    position = world.broker.committed[STUCK].offset
    rebalances = service.counted("rebalances_total")
    with capture_logs() as log:
        noticed = seconds_until(service, lambda: bool(stalled(service)))
        assert STALLED_S <= noticed <= NOTICED_S
        assert service.health.ready()[0], "a restart would mend nothing that the renewal does not"
        assert f"offset {position} since 2024" in service.warnings[SUBJECT]
        service.run_until(lambda: not stalled(service))
    world.assert_exact()
    assert service.warnings == {}
    assert service.counted("rebalances_total") == rebalances
    told = [each for each in log if "partition" in each]
    assert [each["event"] for each in told] == [
        "partition stalled",
        "fetch renewed",
        "partition not stalled any more",
    ]
    end = world.broker.extent(Topic.UPDATES, STUCK).stable_end
    assert told[0].items() >= {"position": position, "stable_end": end}.items()


def test_where_that_is_in_vain_the_consumer_is_renewed_and_not_again_at_once(
    world: World, service: Service
) -> None:
    service.subscription.deaf.add(STUCK)
    world.feed_harsh(200, seed=2)
    rebalances = service.counted("rebalances_total")
    service.run_until(lambda: bool(stalled(service)))
    renewed = seconds_until(
        service, lambda: service.counted("rebalances_total") > rebalances and service.at_rest()
    )
    assert STALLED_S <= renewed <= NOTICED_S
    assert service.owns(range(PARTITIONS))
    world.assert_exact()
    assert service.warnings == {}

    service.subscription.deaf.add(STUCK)
    world.feed_harsh(200, seed=3)
    rebalances = service.counted("rebalances_total")
    service.run_until(lambda: bool(stalled(service)))
    with capture_logs() as log:
        run_for(service, RENEW_AGAIN_S / 2)
    assert service.counted("rebalances_total") == rebalances
    assert [each["event"] for each in log].count("fetch renewed") > RENEW_AGAIN_S / 2 / NOTICED_S
    service.run_until_processed()
    world.assert_exact()


def test_no_answer_is_no_evidence(world: World, service: Service) -> None:
    world.broker.leaders_away.add((Topic.UPDATES, STUCK))
    world.feed_harsh(200, seed=2)
    run_for(service, 4 * NOTICED_S)
    assert stalled(service) == 0
    world.broker.leaders_away.clear()
    service.subscription.stuck.add(STUCK)
    run_for(service, STALLED_S - CHECK_S)
    assert stalled(service) == 0, "the time without answers does not count"


def test_what_is_held_back_is_not_stalled(world: World, service: Service) -> None:
    log = world.broker.logs[Topic.UPDATES][STUCK]
    log.damaged = len(log.entries)
    world.feed_harsh(200, seed=2)
    run_for(service, 2 * NOTICED_S)
    assert (stalled(service), service.counted("damaged", {"partition": str(STUCK)})) == (0, 1)

    halting = World()
    limits = LIMITS._replace(flood=FloodLimits(consecutive=3))
    other = halting.service(limits)
    garbage = Outgoing(Topic.UPDATES, STUCK, -1, b"1:x", b"\xff", ())
    for _ in range(200):
        halting.broker.append(garbage)
    run_for(other, 2 * NOTICED_S)
    assert (stalled(other), other.counted("halted", {"partition": str(STUCK)})) == (0, 1)


def test_lag_is_true_within_twenty_seconds_where_fetching_is_stuck(
    world: World, service: Service
) -> None:
    service.subscription.deaf.add(STUCK)
    world.feed_harsh(200, seed=2)
    behind = world.broker.extent(Topic.UPDATES, STUCK).end - world.broker.committed[STUCK].offset
    wanted = {"partition": str(STUCK)}
    took = seconds_until(service, lambda: service.counted("lag_records", wanted) == behind)
    assert 0 < took <= 20


def test_lag_is_true_right_after_a_restart() -> None:
    began = 1_800_000_000
    world = World(FakeClock(began))
    world.service().run_until_processed()
    world.broker.group.leave(world.broker.group.members[0])
    for _ in range(7):
        world.broker.append(Outgoing(Topic.UPDATES, STUCK, -1, b"1:x", b"\xff", ()))
    world.clock.wait(3_600)
    service = world.service()
    service.subscription.deaf.update(range(PARTITIONS))
    service.run_until(lambda: service.owns(range(PARTITIONS)))
    run_for(service, 20)
    labels = {"partition": str(STUCK)}
    assert service.counted("lag_records", labels) == 7
    assert service.counted("lag_seconds", labels) == pytest.approx(
        world.clock.now - began, abs=2 * CHECK_S
    )
    others = [service.counted("lag_seconds", {"partition": str(each)}) for each in (0, 2, 3)]
    assert others == [0, 0, 0]


def test_what_waits_is_no_older_than_since_the_partition_was_at_its_end() -> None:
    """Else a record that comes after a quiet day would have waited for a day at once."""
    world = World(FakeClock(1_800_000_000))
    service = world.service()
    world.broker.append(Outgoing(Topic.UPDATES, STUCK, -1, b"1:x", b"\xff", ()))
    service.run_until_processed()
    run_for(service, 600)
    service.subscription.deaf.add(STUCK)
    world.broker.append(Outgoing(Topic.UPDATES, STUCK, -1, b"1:x", b"\xff", ()))
    run_for(service, 20)
    assert 0 < service.counted("lag_seconds", {"partition": str(STUCK)}) <= 20 + CHECK_S


class Watch:
    """A watch by itself, over one partition that stands."""

    def __init__(self, **options: float) -> None:
        self.clock = FakeClock()
        self.subscription = FakeSubscription(FakeBroker(1, self.clock))
        self.subscription.take(1, 0)
        self.metrics = Metrics("fastavro")
        self.renewed: list[bool] = []
        held_up = Observer(Health(self.clock), self.metrics, self.clock).held_up
        self.watch = StallWatch(self.subscription, lambda: {0: 5}, held_up, self.clock, **options)

    def look(self, seconds: float, *, full: bool = False, dropped: bool = False) -> None:
        """Let time pass, with a look every few seconds."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.wait(ASK_S)
            self.watch.polled(full=full)
            if dropped:
                self.watch.dropped()
            self.subscription.stuck.add(0)
            self.watch.look({0: Ends(9, 9)})
            self.renewed.append(not self.subscription.stuck)

    @property
    def stalled(self) -> float | None:
        return self.metrics.registry.get_sample_value(
            "session_processor_stalled", {"partition": "0"}
        )


def test_records_may_wait_behind_those_of_others_while_polls_are_full() -> None:
    watch = Watch()
    watch.look(BEHIND_OTHERS_S, full=True)
    assert watch.stalled == 0
    watch.look(2 * ASK_S, full=True)
    assert watch.stalled == 1
    patient = Watch(behind_others_s=float("inf"))
    patient.look(2 * BEHIND_OTHERS_S, full=True)
    assert patient.stalled == 0


def test_what_comes_and_cannot_be_committed_is_told_and_not_renewed() -> None:
    watch = Watch()
    watch.look(2 * STALLED_S, dropped=True)
    assert watch.stalled == 1
    assert not any(watch.renewed)
    watch.look(ASK_S)
    assert watch.renewed[-1]
