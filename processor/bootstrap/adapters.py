"""What the settings say of where a deployment is, for the service and for commands."""

from processor.config import Settings
from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.ports.log import Topic
from processor.registry.own import framing_of
from processor.state.checkpoint import Stream


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
