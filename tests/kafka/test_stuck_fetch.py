"""A real client that fetches no more, and says nothing: its fetch is renewed, then all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import TopicPartition
from fakes.clock import FakeClock
from log_calls import an_update, await_both, ends_of, places, taken

from processor.kafka.subscription import KafkaSubscription
from processor.ports.log import Coordination, Ends, Topic
from processor.runtime.stalls import STALLED_S, StallWatch
from processor.telemetry.health import Health
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer

if TYPE_CHECKING:
    from fakes.log_backends import KafkaLog

pytest_plugins = ["fakes.log_backends"]


def next_places(subscription: KafkaSubscription, count: int) -> list[tuple[int, int]]:
    return sorted(places(taken(subscription, count)))


def true_ends(coordination: Coordination) -> dict[int, Ends]:
    found = ends_of(coordination, [(Topic.UPDATES, 0), (Topic.UPDATES, 1)])
    return {place[1]: ends for place, ends in found.items()}


def test_a_partition_that_was_paused_behind_our_back_is_seen_and_fetched_again(
    kafka_log: KafkaLog,
) -> None:
    """To librdkafka a paused partition is not fetched, as one is not whose fetch it lost."""
    subscription = kafka_log.subscription()
    assert isinstance(subscription, KafkaSubscription)
    await_both(subscription)
    coordination = kafka_log.coordination()
    clock = FakeClock()
    health = Health(clock)
    positions = {0: 0, 1: 0}
    held_up = Observer(health, Metrics("fastavro"), clock).held_up
    watch = StallWatch(subscription, lambda: positions, held_up, clock)
    subscription.resume(positions)

    def stick() -> None:
        name = kafka_log.cluster.topics[Topic.UPDATES]
        subscription._consumer.pause([TopicPartition(name, 0)])

    def look() -> bool:
        """Ask, half a minute later; nothing comes meanwhile."""
        clock.wait(STALLED_S)
        assert subscription.take(10, 0.5) == []
        watch.polled(full=False)
        return watch.look(true_ends(coordination))

    def is_told() -> bool:
        return "fetching of partition 0" in str(health.ready().body["warnings"])

    kafka_log.feed([an_update(0), an_update(1)])
    assert next_places(subscription, 2) == [(0, 0), (1, 0)]
    positions = {0: 1, 1: 1}
    stick()
    kafka_log.feed([an_update(0)])
    assert not look(), "it stands since this look"
    assert not is_told()
    assert not look(), "now it is stalled, and its fetch is renewed"
    assert is_told()
    assert next_places(subscription, 1) == [(0, 1)]
    positions = {0: 2, 1: 1}
    assert not look()
    assert not is_told()

    stick()
    kafka_log.feed([an_update(0)])
    look()
    assert not look()
    stick()
    assert look(), "the fetch was renewed in vain: the consumer is to be"
    subscription.renew()
    await_both(subscription)
    subscription.resume(positions)
    assert next_places(subscription, 1) == [(0, 2)]
