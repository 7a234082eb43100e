"""What is committed for a partition, compared with what is published.

Generators, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Generator

from processor.partitions.committed import (
    Found,
    OffsetFault,
    Topics,
    check_committed,
    no_offset,
    went_back,
)
from processor.ports.log import Coordination, Scan, Topic
from processor.state.checkpoint import CommitMetadata, Stream
from processor.state.ends import end_of


def compare(
    found: Found, stream: Stream, topics: Topics, scan: Scan, *, mixed_framing: bool = False
) -> Generator[bool, None, CommitMetadata | OffsetFault]:
    """Return what `check_committed` does, or what is wrong where a snapshot stands beyond."""
    checked = check_committed(found, stream, topics, mixed_framing=mixed_framing)
    if isinstance(checked, OffsetFault):
        return checked
    beyond = yield from snapshot_beyond(found, checked.output, scan)
    return checked if beyond is None else went_back(found, checked.output, beyond, topics)


def published_without_offset(
    partition: int, coordination: Coordination, topics: Topics, scan: Scan
) -> Generator[bool, None, OffsetFault | None]:
    """Return what is wrong with a partition without an offset; None for a virgin one."""
    for topic in (Topic.SESSIONS, Topic.DEAD_LETTERS):
        start, end, _ = coordination.extent(topic, partition)
        if topic is Topic.DEAD_LETTERS and start > 0:
            # Letters may expire: then there were some.
            return no_offset(partition, topic, topics)
        for records in scan.read(topic, partition, 0, end):
            if records:
                return no_offset(partition, topic, topics)
            yield False
    return None


def snapshot_beyond(found: Found, position: int, scan: Scan) -> Generator[bool, None, int | None]:
    """Return the offset of the first snapshot at or beyond a position of the output, else None.

    Positions are committed with their snapshots. So one that stands beyond was committed with a
    later position, which is gone. Tombstones without our headers are left out: others may write
    them.
    """
    # A transaction with snapshots takes two offsets or more. One alone is the marker behind those
    # below the position, as it mostly is: that saves the reading.
    end = found.output.stable_end
    if end - position < 2:  # noqa: PLR2004  a snapshot and a marker
        return None
    for records in scan.read(Topic.SESSIONS, found.partition, position, end):
        for record in records:
            if record.value is not None or end_of(record.headers) is not None:
                return record.offset
        yield False
    return None
