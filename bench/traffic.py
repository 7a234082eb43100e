"""What goes into the input topic and comes out of the output topic, with plain clients."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from threading import Event
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.service import Place
from processor.demo.stream import Update

Done = Callable[[int], None]
_AT_ONCE = 1_000


class Undelivered(Exception):  # noqa: N818
    """Some updates did not reach the input topic, so nothing can be measured."""


class Input:
    """Produces updates to one input topic; raises Undelivered unless every one arrived."""

    def __init__(self, place: Place, **properties: Any) -> None:
        self._topic = place.settings.updates_topic
        self._failed = 0
        self._producer = Producer(
            {
                "bootstrap.servers": place.bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "on_delivery": self._delivered,
                **properties,
            }
        )

    def _delivered(self, error: object, _message: object) -> None:
        self._failed += error is not None

    def send(self, update: Update) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic, update.value, update.key, timestamp=update.timestamp
                )
            except BufferError:
                self._producer.poll(0.05)
            else:
                self._producer.poll(0)
                return

    def finish(self) -> None:
        left = self._producer.flush(60)
        if left or self._failed:
            raise Undelivered(f"{self._failed} updates failed, {left} are on their way")


def fill(place: Place, updates: Iterable[Update], done: Done) -> None:
    """Put the updates into the input topic as fast as they come."""
    target = Input(place, **{"linger.ms": 20})
    for number, update in enumerate(updates, 1):
        target.send(update)
        if number % _AT_ONCE == 0:
            done(_AT_ONCE)
    target.finish()


class Stopwatch:
    """Pairs each snapshot that arrives with when its update was due: the n-th with its key's n-th.

    `due` is called by the thread that sends, `arrived` by the one that reads: every update is
    accepted, and a key's updates and snapshots are in one order.
    """

    def __init__(self) -> None:
        self._due: defaultdict[bytes, deque[float]] = defaultdict(deque)
        self.seconds: list[float] = []

    def due(self, key: bytes, at: float) -> None:
        self._due[key].append(at)

    def arrived(self, key: bytes, at: float) -> None:
        self.seconds.append(at - self._due[key].popleft())


def pace(
    place: Place, updates: Iterable[Update], rate: int, stopwatch: Stopwatch, done: Done
) -> None:
    """Send `rate` updates a second, each when it is due, whether or not earlier ones are back.

    Latency counts from when an update was due: a sender that is held up does not hide it.
    """
    target = Input(place, **{"linger.ms": 0})
    begin = time.monotonic()
    for number, update in enumerate(updates):
        due = begin + number / rate
        while (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        stopwatch.due(update.key or b"", due)
        target.send(update)
        if number % rate == rate - 1:
            done(rate)
    target.finish()


def arrivals(place: Place, stopwatch: Stopwatch, count: int, stop: Event) -> None:
    """Time `count` snapshots as a read_committed reader sees them, until told to stop."""
    consumer = Consumer(
        {
            "bootstrap.servers": place.bootstrap,
            "group.id": f"bench-{uuid4().hex}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        topic = place.settings.sessions_topic
        consumer.assign([TopicPartition(topic, each, 0) for each in range(place.partitions)])
        while len(stopwatch.seconds) < count and not stop.is_set():
            first = consumer.poll(0.1)
            now = time.monotonic()
            for message in () if first is None else (first, *consumer.consume(_AT_ONCE, 0)):
                if message.error() is None:
                    stopwatch.arrived(message.key() or b"", now)
    finally:
        consumer.close()
