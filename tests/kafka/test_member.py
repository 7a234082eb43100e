"""What a member does within the client's callbacks."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from fakes.clock import FakeClock

from processor.kafka import member
from processor.kafka.clients import Cluster, Properties
from processor.kafka.member import GroupMember
from processor.kafka.subscription import KafkaSubscription
from processor.ports.log import LogUnavailable, Rebalance, Topic

NOBODY: Properties = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
CLUSTER = Cluster(NOBODY, "group", {Topic.UPDATES: "updates"})


class Client:
    """A consumer all of whose partitions have a leader that keeps silent."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.assign: Callable[[Client, list[TopicPartition]], None] = lambda *_: None
        self.assigned: list[TopicPartition] = []

    def made(self, _properties: object) -> "Client":
        return self

    def subscribe(
        self,
        _topics: list[str],
        on_assign: Callable[["Client", list[TopicPartition]], None],
        **_callbacks: object,
    ) -> None:
        self.assign = on_assign

    def get_watermark_offsets(self, _place: TopicPartition, timeout: float) -> None:
        self._clock.wait(timeout)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = partitions

    def pause(self, partitions: list[TopicPartition]) -> None: ...


def test_an_assignment_with_a_silent_leader_does_not_hold_the_loop_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    client = Client(clock)
    monkeypatch.setattr(member, "Consumer", client.made)
    monkeypatch.setattr(member, "monotonic", clock.monotonic)
    made = GroupMember(CLUSTER, lambda _: None, lambda _: None)
    made.join()
    client.assign(client, [TopicPartition("updates", number) for number in range(200)])
    assert clock.now <= 5
    assert made.rebalance() == Rebalance(frozenset(range(200)), frozenset())
    assert [each.offset for each in client.assigned] == [0] * 200


def test_a_member_for_which_no_other_can_be_made_stays_and_is_renewed_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else what it owned would be nobody's, and the loop would go on as if it were its own."""

    def refuse(_properties: object) -> None:
        raise KafkaException(KafkaError(KafkaError._FAIL, "no thread can be made"))

    subscription = KafkaSubscription(CLUSTER)
    former = subscription._member
    former._assigned |= {0, 1}
    subscription._outside_log = True
    with monkeypatch.context() as patched:
        patched.setattr(member, "Consumer", refuse)
        for _ in range(2):
            with pytest.raises(LogUnavailable, match="no thread can be made"):
                subscription.take(10, 0)
            assert subscription.rebalance() is None
        with pytest.raises(LogUnavailable):
            subscription.renew()
        assert subscription._member is former
    assert subscription.take(10, 0) == []
    assert subscription.rebalance() == Rebalance(frozenset(), frozenset({0, 1}))
    assert subscription._member is not former
    subscription.close()
