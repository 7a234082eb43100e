"""What goes into the input topic and comes out of the output topic, with plain clients."""

from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Producer

from bench.service import Place
from processor.demo.traffic import DemoUpdate

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
                "socket.nagle.disable": True,
                "enable.idempotence": True,
                "on_delivery": self._delivered,
                **properties,
            }
        )

    def _delivered(self, error: object, _message: object) -> None:
        self._failed += error is not None

    def send(self, update: DemoUpdate) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    update.value,
                    update.key,
                    timestamp=update.timestamp,
                    headers=list(update.headers) or None,
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


def fill(place: Place, updates: Iterable[DemoUpdate], done: Done) -> None:
    """Put the updates into the input topic as fast as they come."""
    target = Input(place, **{"linger.ms": 20})
    for number, update in enumerate(updates, 1):
        target.send(update)
        if number % _AT_ONCE == 0:
            done(_AT_ONCE)
    target.finish()
