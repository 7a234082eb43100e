"""Waiting until nothing is open on a partition, and fencing a dead owner that has something open.

A generator, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Generator
from typing import Final

import structlog

from processor.ports.clock import Clock
from processor.ports.log import Committed, Coordination, NotStable, Topic
from processor.state.checkpoint import CommitMetadata, ForeignText

OPEN_TOO_LONG_S: Final = 1.0
"""A live owner ends its transaction sooner; after this it is taken for dead and fenced."""

_log: Final = structlog.get_logger(__name__)


def stable_offset(
    partition: int,
    coordination: Coordination,
    cluster: str,
    clock: Clock,
    own: str = "",
) -> Generator[bool, None, Committed | None]:
    """Return the stable committed offset, once no transaction is open on the partition.

    `own` is the transactional id in use here: what is pending under it are markers on their way.
    """
    since: float | None = None
    fenced: str | None = None
    while True:
        try:
            committed = coordination.committed(partition, stable=True)
            pending = False
        except NotStable:
            committed = None
            pending = True
        output = coordination.extent(Topic.SESSIONS, partition)
        if not pending and output.stable_end >= output.end:
            return committed
        since = clock.monotonic() if since is None else since
        if clock.monotonic() - since > OPEN_TOO_LONG_S:
            # Of whom nothing is known, the transaction timeout must end what is open.
            found = coordination.committed(partition, stable=False)
            former = None if found is None else identity_in(found, cluster)
            if former is not None and former not in {fenced, own}:
                _log.info("fencing a former owner", partition=partition, owner=former)
                if coordination.fence(former):
                    fenced = former
                    since = None
                    continue
        yield False


def identity_in(committed: Committed, cluster: str) -> str | None:
    """Return under which transactional id this was committed; None where it does not tell."""
    try:
        return CommitMetadata.decode(committed.metadata, cluster).identity
    except ForeignText:
        return None
