"""A real client that fetches no more, and says nothing: its fetch is renewed, then all of it."""

from collections.abc import Iterator, Mapping

import pytest
from confluent_kafka import TopicPartition
from fakes.clock import FakeClock
from fakes.log_backends import KafkaLog
from servers import KafkaAddress, Names
from system.deployment import eventually

from processor.kafka.subscription import KafkaSubscription
from processor.ports.log import Coordination, Ends, Outgoing, Place, Topic
from processor.runtime.stalls import STALLED_S, StallWatch
from processor.telemetry.health import Health
from processor.telemetry.held_up import HeldUp
from processor.telemetry.metrics import Metrics


@pytest.fixture
def backend(kafka: KafkaAddress, names: Names) -> Iterator[KafkaLog]:
    log = KafkaLog(kafka, names)
    yield log
    log.close()


def an_update(partition: int) -> Outgoing:
    return Outgoing(Topic.UPDATES, partition, 0, b"1:a", b"u", ())


def assigned(subscription: KafkaSubscription) -> None:
    """Poll until both partitions are assigned."""
    owned: set[int] = set()

    def both() -> bool:
        subscription.take(1, 0.05)
        news = subscription.rebalance()
        if news is not None:
            owned.update(news.assigned)
        return owned == {0, 1}

    eventually("both assigned", both)


def places(subscription: KafkaSubscription, count: int) -> list[tuple[int, int]]:
    """Return where the next records stand."""
    found: list[tuple[int, int]] = []

    def enough() -> bool:
        found.extend((each.partition, each.offset) for each in subscription.take(10, 0.1))
        return len(found) >= count

    eventually(f"{count} records", enough)
    return sorted(found)


def true_ends(coordination: Coordination) -> dict[int, Ends]:
    ask = coordination.ends([(Topic.UPDATES, 0), (Topic.UPDATES, 1)])
    found: list[Mapping[Place, Ends]] = []

    def answered() -> bool:
        answer = ask()
        if answer is not None:
            found.append(answer)
        return bool(found)

    eventually("the true ends", answered)
    return {place[1]: ends for place, ends in found[0].items()}


def test_a_partition_that_was_paused_behind_our_back_is_seen_and_fetched_again(
    backend: KafkaLog,
) -> None:
    """To librdkafka a paused partition is not fetched, as one is not whose fetch it lost."""
    subscription = backend.subscription()
    assert isinstance(subscription, KafkaSubscription)
    assigned(subscription)
    coordination = backend.coordination()
    clock = FakeClock()
    health = Health(clock)
    positions = {0: 0, 1: 0}
    watch = StallWatch(subscription, lambda: positions, HeldUp(health, Metrics("fastavro")), clock)
    subscription.resume(positions)

    def stick() -> None:
        name = backend.cluster.topics[Topic.UPDATES]
        subscription._consumer.pause([TopicPartition(name, 0)])

    def look() -> bool:
        """Ask, half a minute later; nothing comes meanwhile."""
        clock.wait(STALLED_S)
        assert subscription.take(10, 0.5) == []
        watch.polled(full=False)
        return watch.look(true_ends(coordination))

    def is_told() -> bool:
        return "fetching of partition 0" in str(health.ready().body["warnings"])

    backend.feed([an_update(0), an_update(1)])
    assert places(subscription, 2) == [(0, 0), (1, 0)]
    positions = {0: 1, 1: 1}
    stick()
    backend.feed([an_update(0)])
    assert not look(), "it stands since this look"
    assert not is_told()
    assert not look(), "now it is stalled, and its fetch is renewed"
    assert is_told()
    assert places(subscription, 1) == [(0, 1)]
    positions = {0: 2, 1: 1}
    assert not look()
    assert not is_told()

    stick()
    backend.feed([an_update(0)])
    look()
    assert not look()
    stick()
    assert look(), "the fetch was renewed in vain: the consumer is to be"
    subscription.renew()
    assigned(subscription)
    subscription.resume(positions)
    assert places(subscription, 1) == [(0, 2)]
