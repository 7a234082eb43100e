"""Print the snapshots and ends of the output topic as JSON lines: plain fastavro, no registry.

python read_topic.py BOOTSTRAP_SERVERS TOPIC CustomerSession.avsc
"""

import io
import json
import sys

from confluent_kafka import Consumer, TopicPartition
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import fingerprint, to_parsing_canonical_form
from session_json import end_json, session_json

servers, topic, schema_file = sys.argv[1:]
with open(schema_file) as file:
    schema = json.load(file)
canonical = to_parsing_canonical_form(schema)
prefix = b"\xc3\x01" + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
schema = parse_schema(schema)

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
        if not record.value().startswith(prefix):
            sys.exit(f"partition {partition} offset {record.offset()} has another schema")
        session = schemaless_reader(io.BytesIO(record.value()[len(prefix) :]), schema)
        print(session_json(session))
consumer.close()
