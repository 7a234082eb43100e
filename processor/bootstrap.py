"""The one place that wires the service: settings in, a running loop out."""

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from threading import Event, Thread
from typing import Final, NamedTuple

import structlog

from processor import __version__
from processor.avro.choice import chosen
from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.compiled import Compiled
from processor.avro.schemas import Known, Schemas, load_schemas
from processor.config import Settings
from processor.errors import ConfigError, ProcessorError
from processor.flood import FloodLimits
from processor.halts import Halts
from processor.heap import spare_collections
from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.framing import HeadersPublication
from processor.kafka.publication import KafkaPublication
from processor.kafka.scan import KafkaScan
from processor.kafka.subscription import KafkaSubscription
from processor.kafka.topics import TopicFacts, require
from processor.ownership import Ownership, Start, first_position
from processor.pacing import Pacing
from processor.patience import Patience, Stopped
from processor.pipeline import Owned, Pipeline
from processor.ports.log import Topic
from processor.ports.registry import Registry
from processor.record_cache import RecordCache
from processor.redis.claims import RedisClaims
from processor.redis.connection import Server
from processor.redis.directory import RedisDirectory
from processor.redis.keys import Keys
from processor.redis.sessions import RedisSessionCache
from processor.registry.describing import DescribingScan
from processor.registry.gate import Gate
from processor.registry.ids import RegisteredIds
from processor.registry.own import framing_of, own, registry_of
from processor.replay.plan import Plan
from processor.replay.seed import Seed
from processor.replay.seed import first_position as replayed_from
from processor.restore import ClaimsSource, Restore, claims_stream, rebuild_claims
from processor.runner import Runner
from processor.stages.decode import Decode, DecodeWithHeaders
from processor.stages.encode import Encode
from processor.stages.fold import Fold
from processor.stages.load import Load
from processor.stages.publish import Publish
from processor.stages.store import Store
from processor.stopping import stopped_by_signals
from processor.stream import Stream
from processor.takeovers import Takeovers
from processor.telemetry.health import Health
from processor.telemetry.http import open_endpoint
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer
from processor.until_end import UntilEnd, frozen_ends, group_position

_LEAVE_S: Final = 3.0

_log: Final = structlog.get_logger(__name__)


class Replaying(NamedTuple):
    """What makes the service a replay."""

    plan: Plan
    live: Settings
    max_rate: float | None
    """In records a second."""


def cluster_of(settings: Settings) -> Cluster:
    """Return where Kafka is and what its parts are called here."""
    return Cluster(
        settings.kafka_properties(),
        settings.group_id,
        {
            Topic.UPDATES: settings.updates_topic,
            Topic.SESSIONS: settings.sessions_topic,
            Topic.DEAD_LETTERS: settings.dead_letters_topic,
            Topic.CLAIMS: settings.claims_topic,
        },
    )


def stream_of(coordination: KafkaCoordination, settings: Settings) -> Stream:
    """Return the identity of what is processed, as the cluster has it now."""
    ids = coordination.topic_ids()
    return Stream(
        coordination.cluster_id(),
        ids[Topic.UPDATES],
        ids[Topic.SESSIONS],
        ids[Topic.DEAD_LETTERS],
        ids[Topic.CLAIMS],
        coordination.partitions(Topic.UPDATES),
        framing_of(settings),
    )


def serve(settings: Settings, *, until_end: bool, start: Start, mixed_framing: bool = False) -> int:
    """Run the service until it is told to stop, or is at the end; return the exit code.

    SIGTERM and SIGINT end it within 10 seconds, whatever it waits for. With `mixed_framing` it goes
    on with an output that was framed in another way. Raises ProcessorError.
    """
    stopping = Event()
    health = Health()
    schemas = load_schemas(settings.schemas_dir)
    codec = chosen(settings.codec, schemas)
    metrics = Metrics(codec.name)
    observer = Observer(health, metrics)
    with (
        stopped_by_signals(stopping),
        open_endpoint(settings.http_host, settings.http_port, metrics.registry, health) as endpoint,
        ExitStack() as closing,
    ):
        _log.info(
            "starting",
            version=__version__,
            codec=codec.name,
            why=codec.why,
            group=settings.group_id,
            http=f"http://{endpoint.host}:{endpoint.port}",
        )
        try:
            _assemble(
                settings,
                stopping,
                observer,
                metrics,
                closing,
                schemas=schemas,
                compiled=codec.compiled,
                until_end=until_end,
                start=start,
                mixed_framing=mixed_framing,
            ).run()
        except Stopped:
            pass
        except ProcessorError as error:
            health.hold("stopped", error.message)
            raise
        _log.info("stopping")
    return 0


def fold_again(own: Settings, replaying: Replaying) -> bool:
    """Run the service as a replay; return whether it came to its end, and was not stopped before.

    `own` are the replay's settings. No endpoint is opened. Raises ProcessorError.
    """
    stopping = Event()
    schemas = load_schemas(own.schemas_dir)
    codec = chosen(own.codec, schemas)
    metrics = Metrics(codec.name)
    with stopped_by_signals(stopping), ExitStack() as closing:
        try:
            _assemble(
                own,
                stopping,
                Observer(Health(), metrics),
                metrics,
                closing,
                schemas=schemas,
                compiled=codec.compiled,
                until_end=True,
                start="earliest",
                replaying=replaying,
            ).run()
        except Stopped:
            return False
        return not stopping.is_set()


def _assemble(
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
    patiently = Patience(stopping, observer)
    # What a replay publishes is to become the live output: it has that one's subject.
    outputs = settings if replaying is None else replaying.live
    registry, ids, header, texts = _registry(outputs, schemas.snapshots, patiently, closing)
    snapshots = SnapshotCodec(schemas.snapshots, ids, header, compiled)

    facts: TopicFacts = patiently(lambda: require(cluster, settings.max_snapshot_bytes))
    coordination = KafkaCoordination(cluster)
    stream = patiently(lambda: stream_of(coordination, settings))
    server = Server.from_url(settings.redis_url)
    closing.callback(server.close)
    keys = Keys(settings.redis_prefix)
    cache, claims = RedisSessionCache(server, keys), RedisClaims(server, keys)
    directory = RedisDirectory(server, keys)
    patiently(lambda: _refuse_eviction(directory))

    subscription = KafkaSubscription(cluster)
    closing.callback(_leave, subscription.close)
    in_headers = settings.schema_id_location == "headers"
    publication = (HeadersPublication if in_headers else KafkaPublication)(
        cluster, stopping.is_set, facts.max_record_bytes
    )
    closing.callback(publication.close)
    scan = KafkaScan(cluster)
    ownership = Ownership(
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
            input_offset=lambda value: snapshots.read(value).input_offset,
            live=live,
            subscription=subscription,
            publication=publication,
            ownership=ownership,
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
    halts = Halts(limits, time.monotonic, observer)
    records = RecordCache(settings.cache_bytes)
    decode = Decode(UpdateCodec(schemas.updates, ids, compiled))
    pipeline = Pipeline(
        decode=decode if ids is None else DecodeWithHeaders(decode),
        load=Load(records, cache, snapshots.read),
        fold=Fold(Encode(snapshots), settings.max_snapshot_bytes),
        publish=Publish(publication, settings.updates_topic, facts.max_letter_bytes),
        store=Store(cache, records),
        claims=claims,
        ownership=ownership,
        restore=restore,
        records=records,
        identity=publication.identity,
        metrics=metrics,
        count=halts.count if limits.on else None,
    )

    def take_over(partition: int) -> Generator[bool, None, Owned]:
        position = yield from ownership.take_over(partition)
        if seed is not None:
            position = yield from seed(partition, position)
        directory.describe(stream.partitions, texts)
        stamp = yield from restore(partition, position, publication.identity())
        return Owned(position, stamp)

    end: UntilEnd | None = None
    if until_end:
        ends = (
            patiently(lambda: frozen_ends(coordination, stream.partitions))
            if replaying is None
            else replaying.plan.ends(stream.partitions)
        )
        end = UntilEnd(
            ends, subscription, lambda each: group_position(each, ends[each], coordination, scan)
        )
    spare_collections()
    max_rate = None if replaying is None else replaying.max_rate
    gate = None if ids is None else Gate(ids, time.monotonic, observer)
    pacing = Pacing(settings.min_commit_interval, max_rate)
    takeovers = Takeovers(
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
        takeovers=takeovers,
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


class _Registry(NamedTuple):
    """The registry and what it is needed for; without one, what stands in its place."""

    registry: Registry | None
    ids: RegisteredIds | None
    header: bytes | None
    texts: dict[str, str]


def _registry(
    settings: Settings, known: Known, patiently: Patience, closing: ExitStack
) -> _Registry:
    """Find the snapshots' schema in the registry that is configured, if one is."""
    registry = registry_of(settings)
    if registry is None:
        return _Registry(None, None, None, known.texts())
    closing.callback(registry.close)
    found = patiently(lambda: own(registry, settings.sessions_topic, known.reader))
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
