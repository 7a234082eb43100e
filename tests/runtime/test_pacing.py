"""How the loop keeps to a rate."""

import pytest
from fakes.clock import FakeClock

from processor.runtime.pacing import Pacing


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


def test_without_a_rate_the_next_take_is_at_once(clock: FakeClock) -> None:
    pacing = Pacing(clock, 0.0)
    pacing.committed(1_000_000)
    assert pacing.before_take(busy=False) <= 0
    clock.now += 1


def test_a_rate_holds_over_many_batches(clock: FakeClock) -> None:
    pacing = Pacing(clock, 0.0, max_rate=100.0)
    records, begun = 0, clock.now
    while records < 2_000:
        wait = pacing.before_take(busy=False)
        if wait > 0:
            clock.now += wait
            continue
        records += 50
        pacing.committed(50)
        clock.now += 0.01  # what the batch itself took
    elapsed = clock.now - begun
    assert 2_000 / 100 - 2 < elapsed < 2_000 / 100 + 1


def test_what_a_slow_time_was_late_by_is_not_made_up_for(clock: FakeClock) -> None:
    pacing = Pacing(clock, 0.0, max_rate=100.0)
    pacing.committed(10)
    clock.now += 3600
    pacing.committed(100)
    pacing.committed(100)
    assert pacing.before_take(busy=False) > 0
