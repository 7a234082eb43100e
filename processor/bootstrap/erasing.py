"""A deployment as an erasure needs it: Kafka, Redis and every replay, to read and to send to."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from processor.bootstrap.adapters import readers_of
from processor.bootstrap.codecs import codecs_of
from processor.config import Settings
from processor.erasure.deployment import Deployment
from processor.erasure.named_ids import Values
from processor.erasure.report import Where
from processor.erasure.search import TOPICS, Kept
from processor.kafka.command_sender import CommandSender
from processor.kafka.replays import KafkaReplays
from processor.kafka.scan import KafkaScan
from processor.kafka.topics import states
from processor.ports.lifetimes import Lifetime, lifetime
from processor.replay.names import replayed


@contextmanager
def deployment_of(settings: Settings) -> Iterator[Deployment]:
    """Give the deployment that the settings name. Raises what ports do."""
    from processor.redis.connection import Server
    from processor.redis.copies import RedisCopies
    from processor.redis.keys import Keys

    cluster, coordination, scan = readers_of(settings)
    codecs = codecs_of(settings)
    with (
        closing(Server.from_url(settings.redis_url)) as server,
        closing(CommandSender(cluster, codecs.commands)) as sender,
    ):

        def kept(of: Settings) -> Kept:
            own, asked, _ = readers_of(of)
            copies = RedisCopies(server, Keys(of.redis_prefix))
            return Kept(asked, KafkaScan(own, uncommitted=True), copies)

        def replays() -> Mapping[str, Kept]:
            names = KafkaReplays(cluster).names()
            return {name: kept(replayed(settings, name)) for name in names}

        def lifetimes() -> Mapping[str, Lifetime]:
            found = states(cluster)
            return {place: lifetime(found[topic].settings) for place, topic in TOPICS.items()}

        yield Deployment(
            Where(
                coordination.cluster_id(),
                settings.group_id,
                settings.updates_topic,
                settings.sessions_topic,
            ),
            Values(codecs.updates, codecs.commands, codecs.snapshots),
            coordination,
            scan,
            sender,
            kept(settings),
            replays,
            lifetimes,
        )
