"""Print the snapshots and ends of the output topic as JSON lines, by the schemas of a registry.

python read_topic_registry.py BOOTSTRAP_SERVERS TOPIC REGISTRY_URL
"""

import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from session_json import end_json, session_json

servers, topic, url = sys.argv[1:]
read = AvroDeserializer(SchemaRegistryClient({"url": url}))

consumer = Consumer(
    {
        "bootstrap.servers": servers,
        "group.id": "an-example",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
    }
)
for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    consumer.assign([TopicPartition(topic, partition, first)])
    while consumer.position([TopicPartition(topic, partition)])[0].offset < end:
        record = consumer.poll(0.1)
        if record is None or record.error():
            continue  # nothing yet
        if record.key() == b"0:":
            continue  # nobody's: it only lets Kafka clean what was there before
        if record.value() is None:
            print(end_json(record))
            continue
        # The headers are looked at first: an id may stand there instead of before the value.
        context = SerializationContext(topic, MessageField.VALUE, record.headers() or [])
        print(session_json(read(record.value(), context)))
consumer.close()
