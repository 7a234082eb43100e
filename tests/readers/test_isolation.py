"""What a reader counts that is not told to leave out what was aborted."""

from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from servers import KafkaAddress, Names

SNAPSHOTS, GHOSTS = 3, 5


@pytest.mark.parametrize(
    ("isolation", "counted"),
    [({}, SNAPSHOTS), ({"isolation.level": "read_uncommitted"}, SNAPSHOTS + GHOSTS)],
    ids=["read_committed", "read_uncommitted"],
)
def test_ghosts_are_counted_unless_told(
    kafka: KafkaAddress, names: Names, isolation: dict[str, str], counted: int
) -> None:
    properties: dict[str, Any] = {"bootstrap.servers": kafka.bootstrap_servers}
    made = NewTopic(names.sessions, 1, 1)
    admin = AdminClient(properties)
    admin.create_topics([made])[names.sessions].result()
    owner = Producer({**properties, "transactional.id": names.group})
    owner.init_transactions()
    for records, end in ((GHOSTS, owner.abort_transaction), (SNAPSHOTS, owner.commit_transaction)):
        owner.begin_transaction()
        for number in range(records):
            owner.produce(names.sessions, b"snapshot", key=f"1:cart-{number}")
        assert owner.flush(30) == 0
        end()
    reader = Consumer(
        {
            **properties,
            **isolation,
            "group.id": names.group,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    reader.assign([TopicPartition(names.sessions, 0, 0)])
    found = 0
    while (record := reader.poll(10)) is not None and record.error() is None:
        found += 1
    reader.close()
    assert record is not None  # the end of the partition, not the end of the time
    assert found == counted
