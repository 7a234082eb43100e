"""A thousand profiles of which a hundred are erased: on real servers that clean within seconds."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewTopic
from golden import encoded, update
from servers import Names, Places
from system.deployment import Deployment
from system.process import eventually

from processor.demo.traffic import DemoUpdate
from processor.local.kafka import LocalKafka
from processor.local.valkey import LocalValkey

PROFILES = 1_000
ERASED = range(5, PROFILES, 10)
IDLE = 3
"""The partition to which nothing comes but what is erased."""
PERSONAL = re.compile(rb"(?:person|visit|card|value)-(\d{4})")
PROMPT_CLEANER = {
    "log.cleaner.backoff.ms": "100",
    "log.initial.task.delay.ms": "100",
    "log.retention.check.interval.ms": "500",
}
SECONDS = {"segment.ms": "1000", "max.compaction.lag.ms": "4000", "delete.retention.ms": "1000"}
"""An owner looks every 3 seconds whether a segment is to roll, for twice five and one."""


class Cleaned(Deployment):
    """A deployment on topics that are compacted within seconds."""

    def create_topics(self, only: str | None = None) -> None:
        assert only is None
        compacted = {"cleanup.policy": "compact", "min.compaction.lag.ms": "0", **SECONDS}
        anytime = {"message.timestamp.after.max.ms": str(2**63 - 1)}
        letters = {"retention.ms": "-1", "max.message.bytes": "1200000", "segment.ms": "1000"}
        made = (
            (self.names.updates, {"retention.ms": "-1", "segment.ms": "1000"}),
            (self.names.sessions, compacted | anytime),
            (self.names.dead_letters, letters | anytime),
            (self.names.claims, compacted),
        )
        topics = [NewTopic(name, self.partitions, 1, config=config) for name, config in made]
        for future in self.admin.create_topics(topics).values():
            future.result()

    def alter(self, topic: str, **settings: str) -> None:
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result(10)

    def every_record(self, topic: str) -> Iterator[bytes]:
        """Yield the bytes of each record that is there, of aborted transactions too."""
        consumer = Consumer(
            {
                **self.client,
                "group.id": f"searcher-{self.names.suffix}",
                "isolation.level": "read_uncommitted",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        waiting = set(range(self.partitions))
        consumer.assign([TopicPartition(topic, each, 0) for each in waiting])
        while waiting:
            for message in consumer.consume(1000, 0.2):
                error = message.error()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    waiting.discard(message.partition() or 0)
                    continue
                told = (message.key(), message.value(), *dict(message.headers() or ()).values())
                yield b" ".join(each for each in told if isinstance(each, bytes))
        consumer.close()

    def produce_to(self, topic: str, partition: int, key: bytes, value: bytes | None) -> None:
        producer = Producer(self.client)
        producer.produce(topic, value, key, partition)
        assert producer.flush(10) == 0

    def persons(self) -> dict[str, set[int]]:
        """Return who is named in each topic, and in Redis: by strings as Avro has them."""
        names = self.names
        found = {
            topic: {
                int(number)
                for each in self.every_record(topic)
                for number in PERSONAL.findall(each)
            }
            for topic in (names.updates, names.sessions, names.dead_letters, names.claims)
        }
        client = redis.Redis.from_url(self.redis_url)
        cached = b" ".join(
            text for key in client.scan_iter("*") for text in _texts(client, bytes(key))
        )
        client.close()
        return found | {"redis": {int(number) for number in PERSONAL.findall(cached)}}


def _texts(client: redis.Redis, key: bytes) -> list[bytes]:
    kind = client.type(key)
    if kind == b"hash":
        fields: Mapping[bytes, bytes] = client.hgetall(key)  # type: ignore[assignment]
        return [key, *fields.keys(), *fields.values()]
    assert kind == b"string", kind
    value = client.get(key)
    assert isinstance(value, bytes)
    return [key, value]


@pytest.fixture
def cleaned(
    places: Places, private_valkey: LocalValkey, names: Names, tmp_path: Path
) -> Iterator[Cleaned]:
    server = LocalKafka.start(places.guarded("cleaning-kafka"), properties=PROMPT_CLEANER)
    try:
        with Cleaned(server.bootstrap_servers, private_valkey.url, names, tmp_path) as made:
            yield made
    finally:
        server.kill()


def former(deployment: Cleaned, key: str) -> tuple[bytes, bytes]:
    """Return a session's key, and its snapshot as it is in Redis."""
    fields = deployment.redis_sessions()[IDLE]
    return key.encode(), fields[key.encode()]


def person(number: int) -> Iterator[DemoUpdate]:
    """Yield what comes of one person: two updates, then one that is rejected."""
    visit = f"visit-{number:04}"
    partition = IDLE if number == ERASED[0] else number % IDLE
    documents: list[dict[str, Any]] = [
        {"profileId": f"person-{number:04}", "identifiers": [f"card-{number:04}"]},
        {"coupon": f"value-{number:04}", "state": "closed"},
        {"coupon": f"value-{number:04} too late"},
    ]
    now = time.time_ns() // 1_000_000
    for at, each in enumerate(documents):
        value = encoded(update(10 * number + at, visit, **each))
        yield DemoUpdate(f"1:{visit}".encode(), value, (), now, partition)


def test_a_hundred_of_a_thousand_profiles_are_erased(cleaned: Cleaned, tmp_path: Path) -> None:
    names, erased = cleaned.names, set(ERASED)
    process = cleaned.run()
    cleaned.produce(each for number in range(PROFILES) for each in person(number))
    cleaned.await_processed()
    everybody = set(range(PROFILES))
    missing = {place: everybody - each for place, each in cleaned.persons().items()}
    assert not any(missing.values()), missing
    key, snapshot = former(cleaned, f"1:visit-{ERASED[0]:04}")

    asked, report = tmp_path / "asked.txt", tmp_path / "report.json"
    lines = [f"profile 1:person-{number:04}" for number in ERASED]
    asked.write_text("\ufeff# who asked\r\n" + "\r\n".join(lines) + "\r\n", "utf-8")
    dry = cleaned.command("sessions", "erase", "--from-file", str(asked), "--json")
    assert dry.returncode == 14, dry.stderr
    assert "kept without an end: dead letters, input" in dry.stderr
    told = [json.loads(line) for line in dry.stdout.splitlines()]
    assert sum("session" in each for each in told) == len(erased)
    assert {each["partitions"][0] for each in told if "session" in each} == {0, 1, 2, IDLE}
    cleaned.alter(names.dead_letters, retention_ms="1000")
    done = cleaned.command(
        "sessions", "erase", "--from-file", str(asked), "--yes", "--report", str(report)
    )
    assert done.returncode == 14, done.stderr + done.stdout + process.log[-2000:]
    assert done.stderr.count("error: kept without an end: input\n") == 1
    # No sooner: what is not processed must not expire.
    cleaned.alter(names.updates, retention_ms="1000")
    assert report.stat().st_mode & 0o777 == 0o600
    assert b"value-" not in report.read_bytes()
    assert {int(number) for number in PERSONAL.findall(report.read_bytes())} == erased

    rest = everybody - erased

    def gone() -> bool:
        found = cleaned.persons()
        return not any(each & erased for each in found.values())

    eventually("nobody who was erased is named anywhere", gone)
    found = cleaned.persons()
    assert found[names.sessions] == found[names.claims] == found["redis"] == rest
    verified = cleaned.command("sessions", "erase", "--verify", str(report), "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert not PERSONAL.search(report.read_bytes()), "the ids are hashed"

    cleaned.produce_to(names.sessions, IDLE, key, snapshot)
    again = cleaned.command("sessions", "erase", "--verify", str(report), "--json")
    assert again.returncode == 1, again.stdout + again.stderr
    places = {each["place"]: each for each in map(json.loads, again.stdout.splitlines())}
    assert places["output"]["state"] == "should be gone"
    assert places["output"]["at"][0].startswith(f"{IDLE}:")
    process.terminate()
    told_to_all = process.log + done.stderr + verified.stderr + again.stdout
    assert not PERSONAL.search(told_to_all.encode()), "no log line names anybody"
