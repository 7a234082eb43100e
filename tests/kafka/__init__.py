"""The modules on confluent-kafka, on a real Kafka."""

from servers import KafkaAddress, Names

from processor.kafka.clients import Cluster
from processor.ports.log import Topic


def cluster_of(kafka: KafkaAddress, names: Names) -> Cluster:
    return Cluster(
        {"bootstrap.servers": kafka.bootstrap_servers},
        names.group,
        {
            Topic.UPDATES: names.updates,
            Topic.SESSIONS: names.sessions,
            Topic.DEAD_LETTERS: names.dead_letters,
            Topic.CLAIMS: names.claims,
        },
    )
