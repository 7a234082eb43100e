"""Load: the sessions that updates name, from the record cache or else from Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from processor.core.outcome import Rejected
from processor.ports.log import Record
from processor.ports.sessions import SessionCache, Stamp, Want
from processor.stages.batch import Changed, Decoded, Sessions
from processor.state.record_cache import RecordCache

LOAD_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of snapshots that may be loaded at once; each partition has an equal share."""

_NONE: Final[Mapping[bytes, bytes | None]] = {}


class Loaded(NamedTuple):
    """Sessions by partition and key (None: there is no such session)."""

    sessions: Sessions
    reach: int
    """How many of the records, from the first on, have their sessions here."""
    hits: int
    misses: int


@dataclass(frozen=True, slots=True)
class Load:
    """Loads sessions; each read of Redis checks that the cache is what this owner wrote."""

    records: RecordCache
    cache: SessionCache
    limit: int = LOAD_LIMIT

    def __call__(
        self,
        records: Sequence[Record],
        updates: Sequence[Decoded],
        stamps: Mapping[int, Stamp],
        changed: Changed,
    ) -> Loaded:
        """Return the sessions of these updates, as the transaction has `changed` them before.

        Raises CacheLost and CacheUnavailable.
        """
        sessions: dict[int, dict[bytes, bytes | None]] = {}
        missing: dict[int, dict[bytes, None]] = {}
        hits = 0
        for record, update in zip(records, updates, strict=True):
            if isinstance(update, Rejected):
                continue
            partition, key = record.partition, record.key or b""
            known = sessions.get(partition)
            if known is None:
                known = sessions[partition] = {}
            if key in known:
                continue
            before = changed.get(partition, _NONE)
            # A session that ended in this transaction still stands in Redis.
            state = before[key] if key in before else self.records.get(partition, key)
            if state is not None or key in before:
                known[key] = state
                hits += 1
            else:
                missing.setdefault(partition, {})[key] = None
        reach = len(records)
        if missing:
            complete = self._fetch(sessions, missing, stamps)
            if not complete:
                reach = _reach(records, updates, sessions)
        return Loaded(sessions, reach, hits, sum(map(len, missing.values())))

    def _fetch(
        self,
        sessions: Mapping[int, dict[bytes, bytes | None]],
        missing: Mapping[int, Mapping[bytes, None]],
        stamps: Mapping[int, Stamp],
    ) -> bool:
        """Add what Redis has; return whether it was all."""
        wants = {
            partition: Want(stamps[partition], list(keys)) for partition, keys in missing.items()
        }
        complete = True
        share = max(1, self.limit // len(wants))
        for partition, values in self.cache.load(wants, share).items():
            keys = wants[partition].keys
            sessions[partition].update(zip(keys, values, strict=False))
            complete = complete and len(values) == len(keys)
        return complete


def _reach(
    records: Sequence[Record],
    updates: Sequence[Decoded],
    sessions: Sessions,
) -> int:
    """Return the place of the first record whose session was not loaded."""
    for place, (record, update) in enumerate(zip(records, updates, strict=True)):
        if (
            not isinstance(update, Rejected)
            and (record.key or b"") not in sessions[record.partition]
        ):
            return place
    return len(records)
