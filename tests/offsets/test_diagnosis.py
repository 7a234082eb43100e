"""What is asked of the servers before a repair is decided."""

import pytest
from fakes.log import FakeCoordination, FakeScan
from fakes.service import STREAM, World

from processor.offsets.diagnosis import Diagnosis
from processor.ports.log import Committed, LogUnavailable


class Late(FakeCoordination):
    """A coordinator that does not answer the first questions."""

    silent = 3

    def committed(self, partition: int, *, stable: bool) -> Committed | None:
        self.silent -= 1
        if self.silent >= 0:
            raise LogUnavailable("no answer")
        return super().committed(partition, stable=stable)


def diagnosis(world: World, coordination: FakeCoordination) -> Diagnosis:
    return Diagnosis(
        stream=STREAM,
        topics=lambda topic: topic.value,
        coordination=coordination,
        scan=FakeScan(world.broker),
        answered=lambda _value: (0, ""),
        event_id=lambda _value: None,
        clock=world.clock,
        on_progress=lambda *_each: None,
    )


def test_a_coordinator_that_answers_late_is_asked_again(world: World) -> None:
    world.service().run_until_processed()
    late = Late(world.broker)
    assert diagnosis(world, late).glance(0).committed == world.broker.committed[0]
    late.silent = 1_000
    with pytest.raises(LogUnavailable):
        diagnosis(world, late).glance(0)
    assert late.silent > 0
