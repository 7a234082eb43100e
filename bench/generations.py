"""What is left of generations of sessions that come and go, each of profiles of its own."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import redis
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from bench.figures import Advance, Figures, Size
from bench.folding import PATIENCE_S, folded
from bench.lean import lean_updates
from bench.service import Place, Service
from bench.traffic import fill
from bench.waiting import wait
from processor.avro.codec import UpdateCodec
from processor.avro.schemas import load_schemas
from processor.bootstrap.adapters import cluster_of
from processor.demo.traffic import DemoUpdate
from processor.kafka.topics import create

GENERATIONS: Final = 10
RETAINED: Final = "1s"
_SHARE: Final = 50
"""A generation has this part of the sessions that `--sessions` names."""
_QUICKLY_CLEANED: Final = {
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
    "delete.retention.ms": "1000",
}
_SETTLED_S: Final = 5.0


def retention(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold a generation, measure, let retention end it all, measure; ten times over.

    It is folded without retention; a process that has it ends the generation then. Of Redis the
    figures are those of a whole generation, of the topics those of what is left once it has ended
    and compaction has been there. Kafka cleans no segment that nothing follows, so the last second
    of the output stays.
    """
    retaining = replace(place, settings_given={"PROCESSOR_RETAIN_OPEN": RETAINED})
    limit = place.settings.max_snapshot_bytes
    create(cluster_of(place.settings), limit, place.partitions, _QUICKLY_CLEANED)
    _clean_often(place)
    each = max(1_000, size.sessions // _SHARE)
    figures: Figures = {}
    with redis.Redis.from_url(place.redis_url) as client:
        for number in range(1, GENERATIONS + 1):
            made = _generation(range((number - 1) * each, number * each))
            fill(place, made, lambda done: advance("filling", done, each))
            folded(place, each, advance)
            sessions, sessions_mb = held(client, place, "sessions")
            claims, claims_mb = held(client, place, "holders")
            seconds = _ended(retaining, lambda: held(client, place, "sessions")[0] == 0)
            figures |= {
                f"sessions.generation_{number}": sessions,
                f"redis_sessions_mb.generation_{number}": sessions_mb,
                f"profiles.generation_{number}": claims,
                f"redis_claims_mb.generation_{number}": claims_mb,
                f"expired_per_second.generation_{number}": each / seconds,
                f"output_mb.generation_{number}": _cleaned(place, place.settings.sessions_topic),
                f"claims_topic_mb.generation_{number}": _bytes(place, place.settings.claims_topic),
            }
    return figures


def _ended(retaining: Place, all_gone: Callable[[], bool]) -> float:
    """Have a process with retention end all sessions; return the seconds from its readiness on."""
    with Service(retaining) as service:
        service.await_ready()
        since = time.monotonic()
        deadline = since + PATIENCE_S
        if not wait(all_gone, PATIENCE_S, lambda: service.check(deadline)):
            raise TimeoutError("a generation does not end")
        return time.monotonic() - since


def _generation(sessions: range) -> Iterator[DemoUpdate]:
    """Yield an update of three items a session, each with a profile of its own."""
    codec = UpdateCodec(load_schemas().updates)
    template = codec.read(next(iter(_carts())), 0)
    for session in sessions:
        name, now = f"g-{session:08d}", time.time_ns() // 1_000_000
        update = template._replace(
            event_id=f"e-{session:08d}",
            event_time=now,
            integration_id=name,
            profile_id=f"q-{session:08d}",
        )
        yield DemoUpdate(f"1:{name}".encode(), codec.write(update), (), now, None)


def _carts() -> Iterator[bytes]:
    for update in lean_updates(1_000_000, seed=1):
        if b"-0004-4000-8000-" in (update.value or b""):
            yield update.value or b""


def held(client: redis.Redis, place: Place, kind: str) -> tuple[int, float]:
    """Return the entries of Redis' hashes of sessions or of claims, and their MB."""
    fields, size = 0, 0
    for key in client.scan_iter(f"*{place.settings.redis_prefix}:*:{kind}:*", count=1_000):
        fields += int(client.hlen(key)) - 1  # one is no session's: the checkpoint
        size += int(client.memory_usage(key, samples=1_000) or 0)
    return fields, size / 1e6


def _cleaned(place: Place, topic: str) -> float:
    """Return a topic's size once it has not shrunk for a while."""
    least, since = _bytes(place, topic), time.monotonic()
    while time.monotonic() - since < _SETTLED_S:
        time.sleep(0.5)
        now = _bytes(place, topic)
        if now < least:
            least, since = now, time.monotonic()
    return least


def _bytes(place: Place, topic: str) -> float:
    """Return what a topic's logs take on disk, in MB."""
    logs: Iterator[Path] = place.directory.glob(f"kafka/**/{topic}-[0-9]*/*.log")
    return sum(each.stat().st_size for each in logs if each.exists()) / 1e6


def _clean_often(place: Place) -> None:
    admin = AdminClient({"bootstrap.servers": place.bootstrap})
    backoff = ConfigEntry(
        "log.cleaner.backoff.ms", "500", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[backoff])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)
