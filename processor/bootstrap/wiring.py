"""The one place that wires the service: settings in, a running loop out."""

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from threading import Event, Thread
from typing import Final, NamedTuple

import structlog

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.compiled import Compiled
from processor.avro.schemas import Known, Schemas
from processor.bootstrap.adapters import cluster_of, stream_of
from processor.config import Settings
from processor.dead_letters.halts import HaltedPartitions
from processor.dead_letters.limits import FloodLimits
from processor.errors import ConfigError
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.framing import HeadersPublication
from processor.kafka.publication import KafkaPublication
from processor.kafka.scan import KafkaScan
from processor.kafka.subscription import KafkaSubscription
from processor.kafka.topics import TopicFacts, require
from processor.partitions.takeover import Start, Takeover, first_position
from processor.ports.registry import Registry
from processor.redis.claims import RedisClaims
from processor.redis.connection import Server
from processor.redis.directory import RedisDirectory
from processor.redis.keys import Keys
from processor.redis.sessions import RedisSessionCache
from processor.registry.describing import DescribingScan
from processor.registry.gate import SchemaWait
from processor.registry.ids import RegisteredIds
from processor.registry.own import own, registry_of
from processor.replay.plan import Plan
from processor.replay.seed import Seed
from processor.replay.seed import first_position as replayed_from
from processor.runtime.assignment import Assignment
from processor.runtime.garbage import collect_rarely
from processor.runtime.pacing import Pacing
from processor.runtime.pipeline import Owned, Pipeline
from processor.runtime.runner import Runner
from processor.runtime.startup import WaitForServers
from processor.runtime.until_end import UntilEnd, frozen_ends, group_position
from processor.stages.decode import Decode
from processor.stages.encode import Encode
from processor.stages.fold import Fold
from processor.stages.load import Load
from processor.stages.publish import Publish
from processor.stages.store import Store
from processor.state.record_cache import RecordCache
from processor.state.restore import ClaimsSource, Restore, claims_stream, rebuild_claims
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer

_LEAVE_S: Final = 3.0

_log: Final = structlog.get_logger(__name__)


class Replaying(NamedTuple):
    """What makes the service a replay."""

    plan: Plan
    live: Settings
    max_rate: float | None
    """In records a second."""


def assemble(
    settings: Settings,
    stopping: Event,
    observer: Observer,
    metrics: Metrics,
    closing: ExitStack,
    *,
    schemas: Schemas,
    compiled: Compiled | None,
    until_end: bool,
    start: Start,
    replaying: Replaying | None = None,
    mixed_framing: bool = False,
) -> Runner:
    """Put all parts together; waits for servers that are away. Raises Stopped."""
    cluster = cluster_of(settings)
    wait_for = WaitForServers(stopping, observer)
    # What a replay publishes is to become the live output: it has that one's subject.
    outputs = settings if replaying is None else replaying.live
    registry, ids, header, texts = _registry(outputs, schemas.snapshots, wait_for, closing)
    snapshots = SnapshotCodec(schemas.snapshots, ids, header)
    decode = Decode(UpdateCodec(schemas.updates, ids), compiled)

    facts: TopicFacts = wait_for(lambda: require(cluster, settings.max_snapshot_bytes))
    coordination = KafkaCoordination(cluster)
    stream = wait_for(lambda: stream_of(coordination, settings))
    server = Server.from_url(settings.redis_url)
    closing.callback(server.close)
    keys = Keys(settings.redis_prefix)
    cache, claims = RedisSessionCache(server, keys), RedisClaims(server, keys)
    directory = RedisDirectory(server, keys)
    wait_for(lambda: _refuse_eviction(directory))

    subscription = KafkaSubscription(cluster)
    closing.callback(_leave, subscription.close)
    in_headers = settings.schema_id_location == "headers"
    publication = (HeadersPublication if in_headers else KafkaPublication)(
        cluster, stopping.is_set, facts.max_record_bytes
    )
    closing.callback(publication.close)
    scan = KafkaScan(cluster)
    takeover = Takeover(
        stream=stream,
        topics=cluster.topics.__getitem__,
        first=first_position(start, coordination)
        if replaying is None
        else replayed_from(replaying.plan, coordination),
        subscription=subscription,
        publication=publication,
        coordination=coordination,
        scan=scan,
        clock=time.monotonic,
        mixed_framing=mixed_framing,
    )
    seed: Seed | None = None
    inherited: ClaimsSource | None = None
    if replaying is not None:
        live = KafkaScan(cluster_of(replaying.live))
        inherited = ClaimsSource(live, replaying.plan.claims_ends)
        seed = Seed(
            plan=replaying.plan,
            input_offset=_input_offset(snapshots, compiled),
            live=live,
            subscription=subscription,
            publication=publication,
            takeover=takeover,
        )
    restore = Restore(
        stream=stream,
        cache=cache,
        scan=scan
        if registry is None
        else DescribingScan(
            scan, registry, texts, lambda found: directory.describe(stream.partitions, found)
        ),
        progress=observer,
        now_ms=lambda: time.time_ns() // 1_000_000,
        tombstones_kept_ms=facts.tombstones_kept_ms,
    )
    limits = _flood_limits(settings)
    halts = HaltedPartitions(limits, time.monotonic, observer)
    records = RecordCache(settings.cache_bytes)
    pipeline = Pipeline(
        decode=decode,
        load=Load(records, cache),
        fold=Fold(
            update_of=decode.read,
            session_of=snapshots.read,
            encode=Encode(snapshots),
            header=snapshots.header,
            max_snapshot=settings.max_snapshot_bytes,
        ),
        publish=Publish(publication, settings.updates_topic, facts.max_letter_bytes),
        store=Store(cache, records),
        claims=claims,
        takeover=takeover,
        restore=restore,
        records=records,
        identity=publication.identity,
        metrics=metrics,
        count=halts.count if limits.on else None,
    )

    def take_over(partition: int) -> Generator[bool, None, Owned]:
        position = yield from takeover.take_over(partition)
        if seed is not None:
            position = yield from seed(partition, position)
        directory.describe(stream.partitions, texts)
        stamp = yield from restore(partition, position, publication.identity())
        return Owned(position, stamp)

    end: UntilEnd | None = None
    if until_end:
        ends = (
            wait_for(lambda: frozen_ends(coordination, stream.partitions))
            if replaying is None
            else replaying.plan.ends(stream.partitions)
        )
        end = UntilEnd(
            ends, subscription, lambda each: group_position(each, ends[each], coordination, scan)
        )
    collect_rarely()
    max_rate = None if replaying is None else replaying.max_rate
    gate = None if ids is None else SchemaWait(ids, time.monotonic, observer)
    pacing = Pacing(settings.min_commit_interval, max_rate)
    assignment = Assignment(
        subscription=subscription,
        publication=publication,
        pipeline=pipeline,
        take_over=take_over,
        rebuild_claims=lambda: rebuild_claims(stream, claims, coordination, scan, inherited),
        observer=observer,
        pacing=pacing,
        halts=halts,
        held_back=tuple if gate is None else lambda: gate.partitions,
    )
    return Runner(
        subscription=subscription,
        publication=publication,
        pipeline=pipeline,
        cache=cache,
        claims=claims,
        claims_stream=claims_stream(stream, inherited),
        assignment=assignment,
        pacing=pacing,
        halts=halts,
        stopping=stopping,
        observer=observer,
        max_batch=settings.max_batch
        if max_rate is None
        else max(1, min(settings.max_batch, int(max_rate))),
        until_end=end,
        gate=gate,
    )


def _input_offset(snapshots: SnapshotCodec, compiled: Compiled | None) -> Callable[[bytes], int]:
    """Return what reads a snapshot's input offset. It raises FailClosed where there is none."""

    def read(value: bytes) -> int:
        found = None if compiled is None else compiled.input_offset(value, snapshots.header)
        return snapshots.read(value).input_offset if found is None else found

    return read


class _Registry(NamedTuple):
    """The registry and what it is needed for; without one, what stands in its place."""

    registry: Registry | None
    ids: RegisteredIds | None
    header: bytes | None
    texts: dict[str, str]


def _registry(
    settings: Settings, known: Known, wait_for: WaitForServers, closing: ExitStack
) -> _Registry:
    """Find the snapshots' schema in the registry that is configured, if one is."""
    registry = registry_of(settings)
    if registry is None:
        return _Registry(None, None, None, known.texts())
    closing.callback(registry.close)
    found = wait_for(lambda: own(registry, settings.sessions_topic, known.reader))
    ids = RegisteredIds(registry, time.monotonic, found.schemas)
    return _Registry(registry, ids, found.header, known.texts() | found.texts)


def _flood_limits(settings: Settings) -> FloodLimits:
    return FloodLimits(
        settings.max_dead_letter_ratio,
        settings.dead_letter_window,
        settings.dead_letter_minimum,
        settings.max_consecutive_dead_letters,
    )


def _refuse_eviction(directory: RedisDirectory) -> None:
    policy = directory.eviction_policy()
    if policy is not None and policy.startswith("allkeys"):
        raise ConfigError(
            f"Redis has maxmemory-policy {policy}: it would evict sessions one by one, unseen",
            hint="Set maxmemory-policy to noeviction or a volatile one, or use another Redis.",
        )


def _leave(close: Callable[[], None]) -> None:
    """Leave the group; where Kafka is away and does not let go, leave the process instead."""
    leaving = Thread(target=close, daemon=True)
    leaving.start()
    leaving.join(_LEAVE_S)
    if leaving.is_alive():
        _log.warning("leaving without the group's answer")
        if sys.exc_info()[0] is None:
            os._exit(0)
