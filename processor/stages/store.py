"""Store: committed snapshots and their checkpoint, into Redis. Redis ends here."""

from collections.abc import Mapping

from processor.ports.sessions import SessionCache, Stamp, Write
from processor.stages.batch import Changed
from processor.state.record_cache import RecordCache


class Store:
    """Stores what was committed, in Redis first and then in the record cache."""

    def __init__(self, cache: SessionCache, records: RecordCache) -> None:
        self._cache = cache
        self._records = records

    def __call__(
        self,
        changed: Changed,
        checkpoints: Mapping[int, tuple[Stamp, bytes]],
    ) -> dict[int, Stamp]:
        """Write each partition's last snapshots with its new checkpoint; return the new stamps.

        `checkpoints` holds, by partition, the stamp that stands and the checkpoint to write.
        Raises CacheLost and CacheUnavailable: then what stands in Redis is for a restore to find.
        """
        self._cache.write(
            {
                partition: Write(stamp, checkpoint, changed.get(partition, {}))
                for partition, (stamp, checkpoint) in checkpoints.items()
            }
        )
        for partition, snapshots in changed.items():
            self._records.put(partition, snapshots)
        return {
            partition: Stamp(stamp.generation, checkpoint)
            for partition, (stamp, checkpoint) in checkpoints.items()
        }
