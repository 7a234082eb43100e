"""Updates sent at a pace, and when their snapshots arrive at a read_committed reader.

A snapshot carries its update's timestamp, so each arrival tells by itself when its update was due:
no pairing is needed, and a snapshot that is missing or comes twice confuses nothing.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import Consumer, TopicPartition

from bench.traffic import Input
from bench.waiting import wait
from processor.demo.traffic import DemoUpdate

_AT_ONCE = 1_000


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile.

    A full look through what a bench holds stops its sender and its reader for 50 ms and more, which
    would count as latency of what is measured.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Arrival(NamedTuple):
    """A snapshot as it was read; both times are in seconds since 1970."""

    partition: int
    due: float
    at: float


class Reader:
    """Reads the output from where it ends now, in a thread of its own, until its context ends."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self.arrivals: list[Arrival] = []
        self._stop = Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{topic}-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
                "socket.nagle.disable": True,
            }
        )
        ends = [TopicPartition(topic, each) for each in range(partitions)]
        for each in ends:  # asked for now, before anything is sent
            each.offset = self._consumer.get_watermark_offsets(each, timeout=30)[1]
        self._consumer.assign(ends)
        self._thread = Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            first = self._consumer.poll(0.1)
            now = time.time()
            for message in () if first is None else (first, *self._consumer.consume(_AT_ONCE, 0)):
                if message.error() is None:
                    due = message.timestamp()[1] / 1e3
                    self.arrivals.append(Arrival(message.partition() or 0, due, now))

    def await_arrivals(self, count: int, patience: float) -> None:
        """Return once so many snapshots came; raise TimeoutError where they are late."""
        _await(lambda: len(self.arrivals) >= count, patience, "snapshots are missing")

    def first_due_after(
        self,
        moment: float,
        patience: float,
        check: Callable[[], object],
        partitions: frozenset[int] | None = None,
    ) -> float | None:
        """Wait for a snapshot of an update due after a moment; return when it came, None: never.

        With `partitions` only theirs count.
        """
        deadline = time.time() + patience
        seen = 0
        while time.time() < deadline:
            check()
            arrivals = self.arrivals
            for arrival in arrivals[seen:]:
                if arrival.due > moment and (partitions is None or arrival.partition in partitions):
                    return arrival.at
            seen = len(arrivals)
            time.sleep(0.01)
        return None


class Pacer:
    """Sends updates at a rate, each when it is due, in a thread of its own.

    Latency counts from when an update was due: a sender that is held up does not hide it.
    """

    def __init__(self, target: Input, updates: Iterator[DemoUpdate], rate: int) -> None:
        self._target = target
        self._updates = updates
        self.rate = rate
        self.sent = 0
        self._stop = Event()
        self._thread = Thread(target=self._send)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._target.finish()

    def await_sent(self, count: int, patience: float) -> None:
        """Return once so many are sent; raise TimeoutError where they are late."""
        _await(lambda: self.sent >= count, patience, "updates could not be sent at their pace")

    def _send(self) -> None:
        due = time.time()
        for update in self._updates:
            while (wait := due - time.time()) > 0:
                time.sleep(wait)
            if self._stop.is_set():
                return
            self._target.send(update._replace(timestamp=int(due * 1e3)))
            self.sent += 1
            due += 1 / self.rate


def _await(done: Callable[[], bool], patience: float, late: str) -> None:
    if not wait(done, patience, every=0.02):
        raise TimeoutError(late)
