"""A coordinator that was frozen: what it says at first may be what stood before."""

from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from fakes.clock import FakeClock

from processor.kafka import coordination
from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.ports.log import Committed, LogUnavailable, Topic

CLUSTER = Cluster({"bootstrap.servers": "127.0.0.1:1"}, "group", {Topic.UPDATES: "updates"})


class Coordinator:
    """Answers `offset` after `takes` seconds, where the client waits for so long."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.takes = 0.01
        self.offset = 5

    def made(self, _properties: object) -> "Coordinator":
        return self

    def poll(self, _seconds: float) -> None: ...

    def committed(self, places: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        self.clock.wait(min(self.takes, timeout))
        if self.takes > timeout:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return [TopicPartition(each.topic, each.partition, self.offset) for each in places]


@pytest.fixture
def coordinator(monkeypatch: pytest.MonkeyPatch) -> Coordinator:
    made = Coordinator()
    monkeypatch.setattr(coordination, "Consumer", made.made)
    return made


def asked_until_told(asked: KafkaCoordination, clock: FakeClock) -> Committed | None:
    until = clock.now + 30
    while True:
        try:
            return asked.committed(0, stable=True)
        except LogUnavailable:
            assert clock.now < until, "it is never believed"
            clock.wait(0.1)


@pytest.mark.parametrize("thaws_within", [True, False], ids=["the third try", "the next call"])
def test_what_a_coordinator_says_as_it_thaws_is_not_believed(
    coordinator: Coordinator, *, thaws_within: bool
) -> None:
    asked = KafkaCoordination(CLUSTER, coordinator.clock)
    assert asked.committed(0, stable=True) == Committed(5, "")
    coordinator.takes = 3.4 if thaws_within else 9
    with pytest.raises(LogUnavailable):
        asked.committed(0, stable=True)
    coordinator.takes = 0.01
    with pytest.raises(LogUnavailable, match="just begun to answer again"):
        asked.committed(0, stable=True)
    coordinator.offset = 10  # it has heard that another is in its place
    assert asked_until_told(asked, coordinator.clock) == Committed(10, "")


@pytest.mark.parametrize("takes", [0.7, 3.0])
def test_one_that_is_always_late_is_believed(coordinator: Coordinator, takes: float) -> None:
    coordinator.takes = takes
    asked = KafkaCoordination(CLUSTER, coordinator.clock)
    for _ in range(3):
        assert asked_until_told(asked, coordinator.clock) == Committed(5, "")
