"""What all clocks do: the suite of the port `Clock`."""

import pytest
from fakes.clock import FakeClock

from processor.ports.clock import SYSTEM_CLOCK, Clock

MOMENT_S = 0.02
THE_YEAR_2020_MS = 1_577_836_800_000


@pytest.fixture(params=[FakeClock(THE_YEAR_2020_MS / 1000), SYSTEM_CLOCK], ids=["fake", "system"])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param
    return made


def test_whoever_waits_goes_on_after_that_time_by_either_measure(clock: Clock) -> None:
    begun, day = clock.monotonic(), clock.now_ms()
    clock.wait(MOMENT_S)
    assert clock.monotonic() - begun > MOMENT_S - 1e-4
    assert clock.now_ms() - day >= MOMENT_S * 1000 - 1


def test_it_never_goes_back_and_waits_for_nothing(clock: Clock) -> None:
    times = [clock.monotonic()]
    for _ in range(100):
        clock.wait(0)
        times.append(clock.monotonic())
    assert times == sorted(times)


def test_the_time_of_day_counts_from_1970(clock: Clock) -> None:
    assert clock.now_ms() >= THE_YEAR_2020_MS
