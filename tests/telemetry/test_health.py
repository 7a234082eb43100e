"""When a process is live, and when it is ready."""

from fakes.clock import FakeClock

from processor.telemetry.health import LIVE_WITHIN, STARTUP, Health


def test_it_is_live_while_the_loop_turns_and_not_when_it_stands() -> None:
    clock = FakeClock(100.0)
    health = Health(clock)
    clock.now += LIVE_WITHIN
    assert health.live().good
    clock.now += 0.1
    verdict = health.live()
    assert not verdict.good
    assert verdict.body["reason"] == "the loop has not turned for 60 s"
    health.turned()
    assert health.live().body == {"live": True, "seconds_since_turn": 0.0}


def test_it_is_not_ready_before_the_start_is_done_and_ready_with_nothing_assigned() -> None:
    health = Health()
    assert health.ready().body["reasons"] == {STARTUP: "starting"}
    health.clear(STARTUP)
    assert health.ready().good


def test_it_is_not_ready_while_a_partition_is_restored_and_says_why() -> None:
    health = Health()
    health.clear(STARTUP)
    health.hold("partition 3", "restoring: 1 of 9")
    health.hold("partition 3", "restoring: 2 of 9")
    verdict = health.ready()
    assert not verdict.good
    assert verdict.body["reasons"] == {"partition 3": "restoring: 2 of 9"}
    health.clear("partition 3")
    assert health.ready().good


def test_a_server_that_is_away_is_told_and_changes_neither_answer() -> None:
    health = Health()
    health.clear(STARTUP)
    health.warn("redis", "connection refused")
    assert health.live().good
    assert health.ready().good
    assert health.ready().body["warnings"] == {"redis": "connection refused"}
    health.clear("redis")
    assert health.ready().body["warnings"] == {}
