"""Fold: updates into their sessions, in the order of each partition."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from processor.batch import Folded, Letter, Sessions, Snapshot, Update
from processor.core.fold import fold
from processor.core.outcome import Accepted, Duplicate, Reason, Rejected
from processor.core.session import Session, profile_key, session_key
from processor.ports.log import Record

FOLD_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of snapshots after which a batch is cut: its rest goes into the next transaction."""


def profiles_of(updates: Sequence[Update]) -> set[str]:
    """Return the keys of the profiles that updates name."""
    return {
        profile_key(update.application_id, update.profile_id)
        for update in updates
        if not isinstance(update, Rejected) and update.profile_id
    }


class Fold:
    """Folds a batch part by part; `encode` gives a snapshot's bytes: `max_snapshot` are allowed."""

    def __init__(
        self, encode: Callable[[Session], bytes], max_snapshot: int, limit: int = FOLD_LIMIT
    ) -> None:
        self._encode = encode
        self._max_snapshot = max_snapshot
        self.limit = limit

    def __call__(
        self,
        records: Sequence[Record],
        updates: Sequence[Update],
        sessions: Sessions,
        holders: Mapping[str, str],
    ) -> Folded:
        """Return what becomes of each record, given the sessions and the profiles' holders."""
        current = {partition: dict(known) for partition, known in sessions.items()}
        held = dict(holders)
        snapshots: list[Snapshot] = []
        letters: list[Letter] = []
        claims: dict[str, str] = {}
        duplicates = size = taken = 0
        encode, max_snapshot, limit = self._encode, self._max_snapshot, self.limit
        for record, update in zip(records, updates, strict=True):
            taken += 1
            if isinstance(update, Rejected):
                letters.append(Letter(record, update))
                continue
            known = current[record.partition]
            key = record.key or b""
            holder = None
            if update.profile_id:
                holder = held.get(profile_key(update.application_id, update.profile_id))
            outcome = fold(known[key], update, holder)
            if isinstance(outcome, Accepted):
                session, claim = outcome
                value = encode(session)
                if len(value) > max_snapshot:
                    letters.append(Letter(record, _too_large(len(value), max_snapshot)))
                    continue
                known[key] = session
                if claim is not None:
                    own = session_key(session.application_id, session.integration_id)
                    held[claim] = claims[claim] = own
                snapshots.append(Snapshot(record, session, value))
                size += len(value)
                if size > limit:
                    break
            elif isinstance(outcome, Duplicate):
                duplicates += 1
            else:
                letters.append(Letter(record, outcome))
        return Folded(snapshots, letters, duplicates, claims, taken, size)


def _too_large(size: int, limit: int) -> Rejected:
    return Rejected(Reason.TOO_LARGE, f"the snapshot has {size} bytes, more than {limit}")
