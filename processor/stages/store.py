"""Store: committed snapshots and their checkpoint, into Redis. Redis ends here."""

from collections.abc import Iterable, Mapping

from processor.batch import Snapshot
from processor.ports.sessions import SessionCache, Stamp, Write
from processor.record_cache import RecordCache


class Store:
    """Stores what was committed, in Redis first and then in the record cache."""

    def __init__(self, cache: SessionCache, records: RecordCache) -> None:
        self._cache = cache
        self._records = records

    def __call__(
        self,
        snapshots: Iterable[Snapshot],
        checkpoints: Mapping[int, tuple[Stamp, bytes]],
    ) -> dict[int, Stamp]:
        """Write each partition's last snapshots with its new checkpoint; return the new stamps.

        `checkpoints` holds, by partition, the stamp that stands and the checkpoint to write.
        Raises CacheLost and CacheUnavailable: then what stands in Redis is for a restore to find.
        """
        latest: dict[int, dict[bytes, Snapshot]] = {partition: {} for partition in checkpoints}
        for snapshot in snapshots:
            latest[snapshot.record.partition][snapshot.key] = snapshot
        self._cache.write(
            {
                partition: Write(
                    stamp,
                    checkpoint,
                    {key: snapshot.value for key, snapshot in latest[partition].items()},
                )
                for partition, (stamp, checkpoint) in checkpoints.items()
            }
        )
        for partition, snapshots_by_key in latest.items():
            self._records.put(
                partition,
                {
                    key: (snapshot.session, len(snapshot.value))
                    for key, snapshot in snapshots_by_key.items()
                },
            )
        return {
            partition: Stamp(stamp.generation, checkpoint)
            for partition, (stamp, checkpoint) in checkpoints.items()
        }
