"""The keys that came last, and what they tell of the producers."""

from collections.abc import Iterator
from typing import Final

from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.partitioners import Verdict, fit
from processor.kafka.scan import KafkaScan
from processor.ports.clock import Clock
from processor.ports.log import Topic

RECORDS: Final = 300
"""How many records of each partition are looked at."""
SECONDS: Final = 10.0
"""How long all partitions together may take; what was read by then is the sample."""


def sample(cluster: Cluster, clock: Clock, partitions: int) -> Verdict:
    """Return what the keys of the input's last records tell. Raises LogUnavailable."""
    return fit(_recent_keys(cluster, clock, partitions), partitions)


def _recent_keys(cluster: Cluster, clock: Clock, partitions: int) -> Iterator[tuple[bytes, int]]:
    until = clock.monotonic() + SECONDS
    coordination = KafkaCoordination(cluster)
    scan = KafkaScan(cluster)
    for partition in range(partitions):
        start, end, _ = coordination.extent(Topic.UPDATES, partition)
        for records in scan.read(Topic.UPDATES, partition, max(start, end - RECORDS), end):
            yield from ((record.key, partition) for record in records if record.key)
            if clock.monotonic() > until:
                return
