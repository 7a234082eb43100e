"""Store: what was committed, in Redis."""

from collections.abc import Mapping
from dataclasses import dataclass

from processor.ports.sessions import SessionCache, Stamp, Write
from processor.stages.batch import Changed


@dataclass(frozen=True, slots=True)
class Store:
    """Stores what was committed."""

    cache: SessionCache

    def __call__(self, changed: Changed, checkpoints: Mapping[int, tuple[Stamp, bytes]]) -> None:
        """Write each partition's last snapshots with its new checkpoint.

        `checkpoints` holds, by partition, the stamp that stands and the checkpoint to write.
        Raises CacheLost and CacheUnavailable: then what stands in Redis is for a restore to find.
        """
        self.cache.write(
            {
                partition: Write(stamp, checkpoint, changed.get(partition, {}))
                for partition, (stamp, checkpoint) in checkpoints.items()
            }
        )
