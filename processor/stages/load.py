"""Load: the sessions that updates name, from the record cache or else from Redis."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

from processor.core.outcome import Rejected
from processor.ports.log import Record
from processor.ports.sessions import SessionCache, Stamp, Want
from processor.stages.batch import Changed, Decoded, Sessions
from processor.state.record_cache import RecordCache

LOAD_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of snapshots that may be loaded at once; each partition has an equal share."""

_NONE: Final[Mapping[bytes, bytes | None]] = {}
_PLACE: Final = attrgetter("partition", "key")


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
        changed: Sequence[Changed],
    ) -> Loaded:
        """Return the sessions of these updates, as they were `changed` since Redis has them.

        Each is what one transaction has changed, the last one last.

        Raises CacheLost and CacheUnavailable.
        """
        sessions: dict[int, dict[bytes, bytes | None]] = {}
        missing: dict[int, list[bytes]] = {}
        for partition, keys in _keys(records, updates).items():
            cached = self.records.of(partition)
            known = dict(zip(keys, map(cached.get, keys), strict=True))
            before = dict[bytes, bytes | None]()
            for each in changed:
                snapshots = each.get(partition, _NONE)
                before.update((key, snapshots[key]) for key in snapshots.keys() & keys.keys())
            known |= before
            sessions[partition] = known
            # A session that one of them ended still stands in Redis.
            absent = [key for key, state in known.items() if state is None and key not in before]
            if absent:
                missing[partition] = absent
        misses = sum(map(len, missing.values()))
        hits = sum(map(len, sessions.values())) - misses
        reach = len(records)
        if missing:
            complete = self._fetch(sessions, missing, stamps)
            if not complete:
                reach = _reach(records, updates, sessions)
        return Loaded(sessions, reach, hits, misses)

    def _fetch(
        self,
        sessions: Mapping[int, dict[bytes, bytes | None]],
        missing: Mapping[int, Sequence[bytes]],
        stamps: Mapping[int, Stamp],
    ) -> bool:
        """Set what Redis has, and take out what it left out; return whether that was nothing."""
        wants = {partition: Want(stamps[partition], keys) for partition, keys in missing.items()}
        complete = True
        share = max(1, self.limit // len(wants))
        for partition, values in self.cache.load(wants, share).items():
            keys = wants[partition].keys
            sessions[partition].update(zip(keys, values, strict=False))
            for key in keys[len(values) :]:
                del sessions[partition][key]
                complete = False
        return complete


def _keys(records: Sequence[Record], updates: Sequence[Decoded]) -> dict[int, dict[bytes, None]]:
    """Return the keys of what is not rejected by partition, in the order in which they come."""
    if Rejected in set(map(type, updates)):
        pairs = zip(records, updates, strict=True)
        records = [record for record, update in pairs if not isinstance(update, Rejected)]
    keys = defaultdict[int, dict[bytes, None]](dict)
    for partition, key in map(_PLACE, records):
        keys[partition][key] = None
    return keys


def _reach(
    records: Sequence[Record],
    updates: Sequence[Decoded],
    sessions: Sessions,
) -> int:
    """Return the place of the first record whose session was not loaded."""
    for place, (record, update) in enumerate(zip(records, updates, strict=True)):
        if not isinstance(update, Rejected) and record.key not in sessions[record.partition]:
            return place
    return len(records)
