"""What is published that a committed position does not know of.

A generator, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Generator

from processor.ports.log import Extent, Scan, Topic


def snapshot_beyond(
    partition: int, position: int, output: Extent, scan: Scan
) -> Generator[bool, None, int | None]:
    """Return the offset of the first snapshot at or beyond a position of the output, else None.

    Positions are committed with their snapshots. So one that stands beyond was committed with a
    later position, which is gone. Tombstones are left out: others may write them.
    """
    # A transaction with snapshots takes two offsets or more. One alone is the marker behind those
    # below the position, as it mostly is: that saves the reading.
    if output.stable_end - position < 2:  # noqa: PLR2004  a snapshot and a marker
        return None
    for records in scan.read(Topic.SESSIONS, partition, position, output.stable_end):
        for record in records:
            if record.value is not None:
                return record.offset
        yield False
    return None
