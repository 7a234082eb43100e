"""What the settings name: the ports, connected to Kafka, Redis and a registry.

Commands that ask Kafka alone do not wait for what else the service needs: Redis's client, metrics.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Thread
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from processor.avro.codec import CommandCodec
from processor.avro.schemas import Schemas
from processor.config import Settings
from processor.errors import ConfigError
from processor.kafka.clients import Cluster
from processor.kafka.command_sender import CommandSender
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.framing import HeadersPublication
from processor.kafka.publication import KafkaPublication
from processor.kafka.scan import SWEEPING, KafkaScan
from processor.kafka.subscription import KafkaSubscription
from processor.kafka.topics import TopicFacts, require, servers
from processor.partitions.takeover import First, Takeover
from processor.ports.claims import Claims
from processor.ports.clock import SYSTEM_CLOCK, Clock
from processor.ports.commands import Commands
from processor.ports.latest import Reading
from processor.ports.log import Coordination, Publication, Scan, Subscription, Topic
from processor.ports.registry import Registry
from processor.ports.sessions import Directory, SessionCache
from processor.ports.tracing import NO_TRACING, Tracing
from processor.registry.own import Own, framing_of, own, registry_of
from processor.state.checkpoint import Stream

if TYPE_CHECKING:
    from processor.runtime.startup import WaitForServers
    from processor.telemetry.metrics import Metrics

_LEAVE_S: Final = 3.0
_log: Final = structlog.get_logger(__name__)


class Readers(NamedTuple):
    """Kafka, asked and read from outside of the group."""

    cluster: Cluster
    coordination: KafkaCoordination
    scan: KafkaScan


class Log(NamedTuple):
    """A member of the group on its topics, and its producer, which is yet to be put in place."""

    stream: Stream
    facts: TopicFacts
    topics: Callable[[Topic], str]
    """Returns what a topic is called."""
    subscription: Subscription
    publication: Publication
    coordination: Coordination
    scan: Reading
    servers: str
    """What a command line says to reach the brokers."""


class Adapters(NamedTuple):
    """Every port of the service, and what its servers told when it connected."""

    log: Log
    cache: SessionCache
    claims: Claims
    directory: Directory
    registry: Registry | None
    own: Own | None
    """What the registry has of the snapshots' schema."""
    clock: Clock
    commands: Commands
    sweep: Scan
    """A scan for steps of the loop: it waits for no record, and has few at hand."""
    executor: Executor
    """Makes one commit at a time, beside the loop."""
    tracing: Tracing = NO_TRACING


def cluster_of(settings: Settings, disconnected: Callable[[], object] = lambda: None) -> Cluster:
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
        disconnected,
    )


def readers_of(settings: Settings, disconnected: Callable[[], object] = lambda: None) -> Readers:
    """Return what asks Kafka and reads it; nothing is asked yet.

    `disconnected` is called for each connection that a producer loses.
    """
    cluster = cluster_of(settings, disconnected)
    return Readers(cluster, KafkaCoordination(cluster), KafkaScan(cluster))


def stream_of(coordination: Coordination, settings: Settings) -> Stream:
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
        settings.input_formats,
    )


def member_of(
    settings: Settings,
    readers: Readers,
    facts: TopicFacts,
    stream: Stream,
    stopped: Callable[[], bool],
) -> Log:
    """Begin to join the group: from now on it is to be polled, and its parts are to be closed.

    Once `stopped` is so, nothing is waited for that takes long.
    """
    cluster, coordination, scan = readers
    in_headers = settings.schema_id_location == "headers"
    publication = HeadersPublication if in_headers else KafkaPublication
    return Log(
        stream,
        facts,
        cluster.topics.__getitem__,
        KafkaSubscription(cluster),
        publication(cluster, stopped, facts.limits),
        coordination,
        scan,
        servers(cluster),
    )


def takeover_of(log: Log, first: First, clock: Clock, *, mixed_framing: bool = False) -> Takeover:
    """Return what takes partitions over; one without a history begins at `first`."""
    return Takeover(
        stream=log.stream,
        topics=log.topics,
        first=first,
        subscription=log.subscription,
        publication=log.publication,
        coordination=log.coordination,
        scan=log.scan,
        clock=clock,
        mixed_framing=mixed_framing,
    )


def connect(
    settings: Settings,
    schemas: Schemas,
    subject_topic: str,
    *,
    closing: ExitStack,
    stopped: Callable[[], bool],
    wait_for: "WaitForServers",
    metrics: "Metrics",
) -> Adapters:
    """Return all ports, once the servers answer and are found right; `closing` closes them.

    The registry has the snapshots' schema under the subject of `subject_topic`.
    Raises ConfigError and TopicError for servers that the service cannot run on.
    """
    from processor.redis.claims import RedisClaims
    from processor.redis.connection import Server
    from processor.redis.directory import RedisDirectory
    from processor.redis.keys import Keys
    from processor.redis.sessions import RedisSessionCache

    registry = registry_of(settings)
    found: Own | None = None
    if registry is not None:
        closing.callback(registry.close)
        found = wait_for(lambda: own(registry, subject_topic, schemas.snapshots.reader))
    readers = readers_of(settings, metrics.disconnected)
    facts = wait_for(lambda: require(readers.cluster, settings.max_snapshot_bytes))
    stream = wait_for(lambda: stream_of(readers.coordination, settings))
    server = Server.from_url(settings.redis_url, answered=metrics.redis_answered)
    keys = Keys(settings.redis_prefix)
    closing.callback(server.close)
    directory = RedisDirectory(server, keys)
    wait_for(lambda: _refuse_eviction(directory))
    log = member_of(settings, readers, facts, stream, stopped)
    closing.callback(_leave, log.subscription.close)
    closing.callback(log.publication.close)
    cache, claims = RedisSessionCache(server, keys), RedisClaims(server, keys)
    commands = CommandSender(readers.cluster, CommandCodec(schemas.commands))
    closing.callback(commands.close)
    sweep = KafkaScan(readers.cluster, SWEEPING)
    executor = closing.enter_context(ThreadPoolExecutor(1, "commit"))
    return Adapters(
        log,
        cache,
        claims,
        directory,
        registry,
        found,
        SYSTEM_CLOCK,
        commands,
        sweep,
        executor,
    )


def remove_cache(settings: Settings, partitions: int) -> None:
    """Remove what the service with these settings has in Redis. Raises what `remove` does."""
    from processor.redis.connection import Server
    from processor.redis.keys import Keys
    from processor.redis.removal import remove

    with closing(Server.from_url(settings.redis_url)) as server:
        remove(server, Keys(settings.redis_prefix), partitions)


def remove_claims(settings: Settings) -> None:
    """Remove the claims that the service has in Redis. Raises what `remove` does."""
    from processor.redis import removal
    from processor.redis.connection import Server
    from processor.redis.keys import Keys

    with closing(Server.from_url(settings.redis_url)) as server:
        removal.remove_claims(server, Keys(settings.redis_prefix))


def _refuse_eviction(directory: Directory) -> None:
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
