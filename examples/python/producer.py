"""Send updates as Avro, and print those that were rejected: confluent-kafka and fastavro.

python producer.py send BROKERS TOPIC CART SessionUpdate.avsc
python producer.py letters BROKERS DEAD_LETTERS_TOPIC
"""

import io
import json
import sys
import time
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from fastavro import parse_schema, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

NAME = "checkout-python"  # in a header of each update, which its dead letter keeps


def send(servers, topic, cart, schema_file):
    with open(schema_file) as file:
        schema = json.load(file)
    # Single-object encoding; fastavro computes the fingerprint that Avro's specification has.
    own = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    prefix = b"\xc3\x01" + bytes.fromhex(own)
    schema = parse_schema(schema)
    # Partitions as Java's clients choose them: all producers of a topic must choose alike.
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
        }
    )
    mug = {"name": "Mug", "sku": "MUG", "quantity": 2, "price": 9.5}
    for change in (
        {"cartItems": [mug], "attributes": {"channel": '"web"', "visits": "[1, 2]"}},
        {"state": "closed"},
        {"coupon": "LATE"},  # a closed session takes none: this one becomes a dead letter
    ):
        update = {
            "eventId": str(uuid.uuid4()),  # the same one when it is sent again
            "eventTime": int(time.time() * 1000),
            "applicationId": 1,
            "integrationId": cart,
            **change,
        }
        datum = io.BytesIO()
        schemaless_writer(datum, schema, update)
        producer.produce(
            topic, prefix + datum.getvalue(), key=f"1:{cart}", headers={"producer": NAME}
        )
    sys.exit(producer.flush(30) and "not sent within 30 seconds")


def letters(servers, topic):
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": NAME,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    left = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in left])
    while left:  # to the end; who wants the next ones too goes on here
        letter = consumer.poll(1)
        if letter is None:
            continue
        if letter.error():
            left.discard(letter.partition())  # the end of a partition
            continue
        headers = dict(letter.headers() or [])
        if headers.get("producer") == NAME.encode():
            told = {
                "letter": f"{letter.partition()}:{letter.offset()}",
                "key": letter.key().decode(),
                "reason": headers["__streams.errors.exception"].decode(),
                "message": headers["__streams.errors.message"].decode(),
            }
            print(json.dumps(told))
    consumer.close()


{"send": send, "letters": letters}[sys.argv[1]](*sys.argv[2:])
