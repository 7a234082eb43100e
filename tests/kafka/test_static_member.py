"""Members with an id of their own (`group.instance.id`)."""

import time

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from servers import KafkaAddress, Names
from system.process import eventually

from processor.errors import ConfigError
from processor.kafka.member import GroupMember
from processor.kafka.subscription import KafkaSubscription
from processor.ports.log import Topic

from . import cluster_of


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_an_id_goes_to_who_renews_the_member_and_is_refused_to_another(
    kafka: KafkaAddress, names: Names, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = cluster_of(kafka, names)
    properties = {"group.instance.id": "one", "group.protocol": protocol}
    cluster = cluster._replace(properties={**cluster.properties, **properties})
    topic = cluster.topics[Topic.UPDATES]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(20)
    subscription = KafkaSubscription(cluster)

    def assigned() -> bool:
        subscription.take(1, 0.1)
        news = subscription.rebalance()
        return news is not None and news.assigned == {0, 1}

    eventually("assigned", assigned)
    leave = GroupMember.leave

    def late(member: GroupMember) -> None:
        time.sleep(1)  # as a client does that is stuck
        leave(member)

    with monkeypatch.context() as patched:
        patched.setattr(GroupMember, "leave", late)
        subscription.renew()
    eventually("assigned again", assigned)

    another = KafkaSubscription(cluster)
    with pytest.raises(ConfigError, match="does not take this member any more"):
        eventually("refused", lambda: bool(another.take(1, 0.1) or subscription.take(1, 0.1)))
    another.close()
    subscription.close()
