"""`Publication` on confluent-kafka: batches, each producer under a fresh id."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Final
from uuid import uuid4

from processor.kafka.clients import NO_LIMITS, Cluster, RecordLimits, transactional
from processor.kafka.producer import PATIENCE, Role, TransactionalProducer
from processor.ports.log import Committed, Membership, Outgoing, ProducerLost, Topic
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots

LAST_PATIENCE: Final = 4.0
"""Seconds that all steps together may take once the process is to stop: it exits within 10."""


class KafkaPublication:
    """One producer at a time, each under a fresh transactional id `{group}-{nonce}`."""

    def __init__(
        self,
        cluster: Cluster,
        stopping: Callable[[], bool],
        limits: RecordLimits = NO_LIMITS,
    ) -> None:
        self._cluster = cluster
        self._stopping = stopping
        self._limits = limits
        written = (Topic.SESSIONS, Topic.DEAD_LETTERS, Topic.CLAIMS)
        self._role = Role(cluster.on_ids(), written, Topic.UPDATES)
        self._producer: TransactionalProducer | None = None
        self._identity = ""
        self._uncommitted = False
        self._last_moment: float | None = None

    def identity(self) -> str:
        """Return the transactional id in use."""
        return self._identity

    def begin(self) -> None:
        """Open a transaction. Where the one before it was not committed, each record is named."""
        self._live().begin(name_each=self._uncommitted)
        self._uncommitted = True

    def send(self, records: Sequence[Outgoing], snapshots: Snapshots = NO_SNAPSHOTS) -> None:
        """Hand snapshots over, then records."""
        self._live().send(records, snapshots)

    def flush(self) -> dict[int, int]:
        """Wait until every record is with the brokers, or the transaction cannot be saved."""
        return self._live().flush()

    def commit(self, offsets: Mapping[int, Committed], membership: Membership) -> None:
        """Add the input offsets to the transaction, then commit it."""
        self._live().commit(offsets, membership)
        self._uncommitted = False

    def abort(self) -> None:
        """Abort the open transaction, if there is one."""
        if self._producer is not None:
            self._producer.abort()

    def replace(self) -> None:
        """Go on under a fresh id. The former one's transaction is fenced by whoever it holds up."""
        self._producer = None
        identity = f"{self._cluster.group}-{uuid4().hex}"
        properties = transactional(self._cluster, identity, self._limits)
        self._producer = TransactionalProducer(
            self._cluster, properties, self._role, self._patience
        )
        self._identity = identity

    def close(self) -> None:
        """Let go; what is in the queue is purged, so that nothing is waited for."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def _live(self) -> TransactionalProducer:
        if self._producer is None:
            raise ProducerLost("there is no producer yet")
        return self._producer

    def _patience(self) -> float:
        if not self._stopping():
            return PATIENCE
        if self._last_moment is None:
            self._last_moment = monotonic() + LAST_PATIENCE
        return max(0.0, self._last_moment - monotonic())
