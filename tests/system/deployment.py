"""A deployment of the real service for a test: topics, processes, and what they made of an input.

What was made is read with plain clients, not with the processor's own readers.
"""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from zlib import crc32

import redis
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AdminClient,
    OffsetSpec,
)
from confluent_kafka.cimpl import NewTopic
from first_sessions import as_published, not_exactly_one_first, wrong_claims
from oracle import (
    Entry,
    Expected,
    Formats,
    Snapshot,
    decode_session,
    expected,
    is_command,
    is_nobodys,
    timed,
)
from servers import Names
from system.process import Process, eventually

from processor.demo.traffic import DemoUpdate
from processor.ports.clock import SYSTEM_CLOCK

_SABOTEUR = Path(__file__).with_name("saboteur.py")
_IMPATIENT = Path(__file__).with_name("impatient.py")
_LATEST_TIMESTAMP = str(2**63 - 1)
EVENT_ID = "session-processor.event-id"
# What a broker answers of a topic that was made a moment ago, or of a partition whose leader
# changed a moment ago.
_NOT_LED_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
}


class Deployment:
    """Topics and settings under one test's names. As a context, its processes end with it."""

    def __init__(
        self,
        bootstrap: str,
        redis_url: str,
        names: Names,
        logs: Path,
        partitions: int = 4,
        *,
        client: Mapping[str, str] | None = None,
        replicas: int = 1,
    ) -> None:
        """`client` are the properties of the test's own clients, `bootstrap.servers` among it."""
        self._replicas = replicas
        self.bootstrap = bootstrap
        self.client: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap,
            **(client or {}),
        }
        self.redis_url = redis_url
        self.names = names
        self.partitions = partitions
        self.redis_client: Callable[[], redis.Redis | redis.RedisCluster] = partial(
            redis.Redis.from_url, redis_url
        )
        self._logs = logs
        self._processes: list[Process] = []
        self.admin = AdminClient(self.client)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PROCES")},
            "PROCESSOR_BOOTSTRAP_SERVERS": bootstrap,
            "PROCESSOR_REDIS_URL": redis_url,
            "PROCESSOR_REDIS_PREFIX": names.prefix,
            "PROCESSOR_GROUP_ID": names.group,
            "PROCESSOR_UPDATES_TOPIC": names.updates,
            "PROCESSOR_SESSIONS_TOPIC": names.sessions,
            "PROCESSOR_DEAD_LETTERS_TOPIC": names.dead_letters,
            "PROCESSOR_CLAIMS_TOPIC": names.claims,
            "PROCESSOR_HTTP_PORT": "0",
            "PROCESSOR_LOG_FORMAT": "human",
        }

    def __enter__(self) -> Self:
        self.create_topics()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()

    def create_topics(self, only: str | None = None) -> None:
        """Create the four topics, or one of them."""
        output = {
            "cleanup.policy": "compact",
            "message.timestamp.type": "CreateTime",
            "message.timestamp.after.max.ms": _LATEST_TIMESTAMP,
            # Counted from event times, which are years old here: a lag of days protects nothing.
            "min.compaction.lag.ms": str(100 * 365 * 86_400_000),
        }
        letters = {
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(14 * 86_400_000),
            "max.message.bytes": "1200000",
        }
        names = self.names
        # Event times are years old, and a few at the end of time: a broker else deletes the first
        # as expired, and refuses the whole batch of the last.
        updates = {
            "retention.ms": "-1",
            "message.timestamp.after.max.ms": _LATEST_TIMESTAMP,
        }
        replicas = self._replicas
        topics = [
            NewTopic(names.updates, self.partitions, replicas, config=updates),
            NewTopic(names.sessions, self.partitions, replicas, config=output),
            NewTopic(names.dead_letters, self.partitions, replicas, config=letters),
            NewTopic(names.claims, self.partitions, replicas, config={"cleanup.policy": "compact"}),
        ]
        chosen = [each for each in topics if only in {None, each.topic}]
        for future in self.admin.create_topics(chosen).values():
            future.result()

    def partition(self, key: bytes | None) -> int:
        return crc32(key or b"") % self.partitions

    def produce(self, updates: Iterable[DemoUpdate]) -> None:
        # Without idempotence a batch that is sent again comes after those that followed it.
        producer = Producer({**self.client, "linger.ms": 20, "enable.idempotence": True})
        refused: list[KafkaError] = []

        def note(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                refused.append(error)

        for update in updates:
            while True:
                try:
                    producer.produce(
                        self.names.updates,
                        update.value,
                        key=update.key,
                        partition=self.partition(update.key)
                        if update.partition is None
                        else update.partition,
                        timestamp=update.timestamp,
                        headers=list(update.headers),
                        on_delivery=note,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(60) == 0
        assert not refused, refused[:3]

    # Processes

    def run(self, *arguments: str, **settings: str) -> Process:
        return self._start([sys.executable, "-m", "processor", "run", *arguments], settings)

    def run_sabotaged(self, point: str, times: int, **settings: str) -> Process:
        return self._start([sys.executable, str(_SABOTEUR), point, str(times), "run"], settings)

    def run_impatient(self) -> Process:
        return self._start([sys.executable, str(_IMPATIENT), "run"], {})

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "processor", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def _start(self, command: list[str], settings: Mapping[str, str]) -> Process:
        process = Process(
            command,
            {**self.environment, **{f"PROCESSOR_{k.upper()}": v for k, v in settings.items()}},
            self._logs / f"process-{len(self._processes)}.log",
        )
        self._processes.append(process)
        return process

    # What they made

    def committed(self) -> dict[int, int]:
        """Return the group's offsets; asked by a consumer that does not join.

        The admin client crashes where the coordinator is not there yet.
        """
        places = [TopicPartition(self.names.updates, each) for each in range(self.partitions)]
        consumer = Consumer(
            {
                **self.client,
                "group.id": self.names.group,
                "isolation.level": "read_uncommitted",
            }
        )
        deadline = time.monotonic() + 20
        try:
            while True:
                try:
                    answer = consumer.committed(places, timeout=10)
                    break
                except KafkaException:
                    if time.monotonic() > deadline:
                        raise
        finally:
            consumer.close()
        return {each.partition: each.offset for each in answer}

    def await_processed(self, stalled: float = 90.0) -> None:
        """Return once the group's committed offsets are at the input's ends.

        Only that they stand still for `stalled` seconds is a failure; slow is not.
        """
        ends: dict[int, int] = {}
        seen: dict[int, int] = {}
        since = time.monotonic()

        def done() -> bool:
            nonlocal seen, since
            assert time.monotonic() - since < stalled, f"nothing moves: {seen} of {ends}"
            if not ends:
                extents = self._extents(self.names.updates)
                ends.update({partition: end for partition, (_, end) in extents})
            committed = self.committed()
            if committed != seen:
                seen, since = committed, time.monotonic()
            return all(committed[partition] >= end for partition, end in ends.items() if end)

        eventually("all input processed", lambda: self._is_answered(done), math.inf)

    def _extents(self, topic: str) -> Iterator[tuple[int, tuple[int, int]]]:
        with self._consumer() as consumer:
            for partition in range(self.partitions):
                place = TopicPartition(topic, partition)
                yield partition, consumer.get_watermark_offsets(place, timeout=10)

    def _is_answered(self, holds: Callable[[], bool]) -> bool:
        """Whether it holds; False, too, where the brokers do not yet agree on who leads."""
        try:
            return holds()
        except KafkaException as exception:
            if exception.args[0].code() in _NOT_LED_YET:
                return False
            raise

    def holds_records(self, topic: str) -> bool:
        """Whether the topic is there and something was written to it."""
        if topic not in self.admin.list_topics(timeout=10).topics:
            return False
        return self._is_answered(lambda: any(end for _, (_, end) in self._extents(topic)))

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = Consumer(
            {
                **self.client,
                "group.id": f"reader-{self.names.suffix}",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        try:
            yield consumer
        finally:
            consumer.close()

    def _end(self, topic: str, isolation: IsolationLevel) -> dict[int, int]:
        # A client that has seen a broker restart asks under the leader's epoch of before.
        admin = AdminClient(self.client)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        places = {TopicPartition(topic, each): latest for each in range(self.partitions)}
        asked = admin.list_offsets(places, isolation_level=isolation)
        return {place.partition: future.result().offset for place, future in asked.items()}

    def _is_settled(self, topic: str) -> bool:
        return self._end(topic, IsolationLevel.READ_COMMITTED) == self._end(
            topic, IsolationLevel.READ_UNCOMMITTED
        )

    def read(self, topic: str) -> dict[int, list[Entry]]:
        """Return the committed records of each partition, in order.

        A transaction that a dead process left open hides what follows it, until it times out.
        """
        eventually(
            f"no transaction is open in {topic}",
            lambda: self._is_answered(lambda: self._is_settled(topic)),
        )
        found: dict[int, list[Entry]] = {each: [] for each in range(self.partitions)}
        with self._consumer() as consumer:
            consumer.assign([TopicPartition(topic, each, 0) for each in found])
            waiting = set(found)
            while waiting:
                for message in consumer.consume(1000, 0.2):
                    error = message.error()
                    partition, offset = message.partition() or 0, message.offset() or 0
                    if error is None:
                        found[partition].append(
                            Entry(
                                offset,
                                message.timestamp()[1],
                                message.key(),
                                message.value(),
                                tuple(message.headers() or ()),
                            )
                        )
                    else:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        waiting.discard(partition)
        return found

    def redis_sessions(self) -> dict[int, dict[bytes, bytes]]:
        """Return what Redis holds, read by the documented layout."""
        client = self.redis_client()
        found = {}
        for partition in range(self.partitions):
            tag = f"{{{self.names.prefix}:{partition}}}"
            generation = client.get(f"{tag}:current")
            assert isinstance(generation, bytes), f"partition {partition} has no generation"
            fields = client.hgetall(f"{tag}:sessions:{generation.decode()}")
            assert isinstance(fields, dict)
            found[partition] = {bytes(k): bytes(v) for k, v in fields.items() if k}  # type: ignore[arg-type]
        client.close()
        return found

    def assert_exact(self) -> dict[int, Expected]:
        """See that output, dead letters and Redis are what the oracle makes of the input."""
        inputs = self.read(self.names.updates)
        output = {
            partition: [Snapshot.of(each) for each in log if not is_nobodys(each)]
            for partition, log in self.read(self.names.sessions).items()
        }
        letters = self.read(self.names.dead_letters)
        if any(is_command(each) for log in inputs.values() for each in log):
            claims = [each for log in self.read(self.names.claims).values() for each in log]
            told = [(each.key or b"", each.value) for each in claims if not is_nobodys(each)]
            assert wrong_claims(output, told) == []
        else:
            assert not_exactly_one_first(output) == []
        formats = Formats(self.environment.get("PROCESSOR_INPUT_FORMATS", "avro").split(","))
        oracle = {
            partition: expected(log, as_published(output[partition]), formats=formats)
            for partition, log in inputs.items()
        }
        for partition, wanted in oracle.items():
            _assert_same(output[partition], wanted.snapshots, partition)
            _assert_letters(letters[partition], wanted, self.names.updates, partition)
            last = {
                each.key: each.value for each in wanted.snapshots if each.key in wanted.sessions
            }
            assert self.redis_sessions()[partition] == last, f"Redis of partition {partition}"
        return oracle


def _answers(snapshot: Snapshot) -> int:
    """Return the input offset that a record of the output answers."""
    if snapshot.value is None:
        return int(dict(snapshot.end)["session-processor.input-offset"])
    return int(decode_session(snapshot.value)["inputOffset"])


def _in_words(snapshot: Snapshot) -> object:
    return snapshot.end if snapshot.value is None else decode_session(snapshot.value)


def _assert_same(output: list[Snapshot], wanted: list[Snapshot], partition: int) -> None:
    made, due = ({_answers(each) for each in side} for side in (output, wanted))
    assert made == due, (
        f"partition {partition}: absent {sorted(due - made)}, not due {sorted(made - due)}"
    )
    wanted = timed(wanted, output, SYSTEM_CLOCK.now_ms())
    for place, (there, expected_there) in enumerate(zip(output, wanted, strict=False)):
        assert there == expected_there, (
            f"partition {partition}, snapshot {place} of {len(output)}, {len(wanted)} expected:\n"
            f"{_in_words(there)}\nexpected:\n{_in_words(expected_there)}"
        )
    assert len(output) == len(wanted), f"partition {partition}"


def _assert_letters(letters: list[Entry], wanted: Expected, topic: str, partition: int) -> None:
    assert len(letters) == len(wanted.dead_letters)
    for letter, (entry, reason) in zip(letters, wanted.dead_letters, strict=True):
        assert (letter.key, letter.value) == (entry.key, entry.value)
        prefix = "__streams.errors."
        headers = dict(letter.headers)
        # A former version's letter has it as its own timestamp alone.
        told = headers.get("session-processor.timestamp", str(letter.timestamp).encode())
        assert told == str(entry.timestamp).encode()
        assert headers[prefix + "exception"] == reason.encode()
        assert headers[prefix + "topic"] == topic.encode()
        assert headers[prefix + "partition"] == str(partition).encode()
        assert headers[prefix + "offset"] == str(entry.offset).encode()
        assert headers[prefix + "stacktrace"] == b""
        ours = [
            name
            for name, _ in letter.headers
            if name.startswith((prefix, "session-processor.timestamp", EVENT_ID))
        ]
        assert len(ours) == len(set(ours))
        foreign = [each for each in entry.headers if not each[0].startswith((prefix, EVENT_ID))]
        assert [each for each in letter.headers if each[0] not in ours] == foreign
