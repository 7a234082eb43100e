"""The job as it is often written by hand: poll, GET, fold, SET, produce; a transaction per 100 ms.

It is not exact: Redis is written before the commit, so after a crash an update that is read again
finds itself remembered, and its snapshot is missing.

Arguments: bootstrap servers, group, topics of input, output and dead letters, Redis URL.
"""

import sys
import time
from typing import cast

import redis
from confluent_kafka import Consumer, Producer
from essentials import fold, letter_headers

_COMMIT_S = 0.1


def main() -> None:
    bootstrap, group, updates, sessions, letters, url = sys.argv[1:]
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": group,
            "partitioner": "murmur2_random",
        }
    )
    producer.init_transactions()
    consumer.subscribe([updates])
    store = redis.Redis.from_url(url)
    producer.begin_transaction()
    begun, taken = time.monotonic(), 0
    while True:
        message = consumer.poll(0.01)
        if message is not None and message.error() is None:
            key, offset = message.key() or b"", message.offset() or 0
            name = group.encode() + b":" + key
            known = cast("bytes | None", store.get(name))
            folded = fold(known, message.value(), offset)
            timestamp = message.timestamp()[1]
            if isinstance(folded, bytes):
                store.set(name, folded)
                producer.produce(sessions, folded, key, timestamp=timestamp)
            elif folded is not None:
                headers = letter_headers(folded, updates, message.partition() or 0, offset)
                producer.produce(
                    letters, message.value(), key, timestamp=timestamp, headers=headers
                )
            producer.poll(0)
            taken += 1
        if taken and time.monotonic() - begun >= _COMMIT_S:
            positions = [
                each for each in consumer.position(consumer.assignment()) if each.offset >= 0
            ]
            producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
            producer.commit_transaction()
            producer.begin_transaction()
            begun, taken = time.monotonic(), 0


if __name__ == "__main__":
    main()
