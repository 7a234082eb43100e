"""Fold: updates into their sessions, in the order of each partition."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from processor.avro.compiled import PackedUpdate
from processor.batch import Folded, Letter, Sessions, Snapshot, State, Update
from processor.core.fold import fold
from processor.core.outcome import Accepted, Duplicate, Reason, Rejected
from processor.core.session import Session, profile_key
from processor.core.update import SessionUpdate
from processor.ports.log import Record

FOLD_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of snapshots, written or read in vain, after which a batch is cut: its rest goes into the
next transaction. To read one again for every update that it rejects may take 0.15 s a megabyte."""


def profile_of(update: Update) -> str | None:
    """Return the key of the profile that an update names, None where it names none."""
    if isinstance(update, Rejected):
        return None
    if not isinstance(update, SessionUpdate):
        return update.profile
    profile = update.profile_id
    return profile_key(update.application_id, profile) if profile else None


class Codec(NamedTuple):
    """How a fold gets from bytes to values and back."""

    update: Callable[[Record], SessionUpdate | Rejected]
    """Reads a record whose packed update is not accepted."""
    session: Callable[[bytes], Session]
    encode: Callable[[Session], bytes]
    header: bytes | None = None
    """What stands before each snapshot, where updates are packed: sessions stay bytes then."""


class Fold:
    """Folds a batch part by part; snapshots may have `max_snapshot` bytes."""

    def __init__(self, codec: Codec, max_snapshot: int, limit: int = FOLD_LIMIT) -> None:
        # Updates that one session rejects come one after another.
        self._codec = codec._replace(session=lru_cache(maxsize=2)(codec.session))
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
        for record, update in zip(records, updates, strict=True):
            taken += 1
            if isinstance(update, Rejected):
                letters.append(Letter(record, update))
                continue
            known = current[record.partition]
            key = record.key or b""
            before = known[key]
            profile = profile_of(update)
            holder = None if profile is None else held.get(profile)
            outcome = self._outcome(record, update, before, holder)
            if isinstance(outcome, Snapshot):
                _, state, value, claiming = outcome
                size += len(value)
                if len(value) > self._max_snapshot:
                    letters.append(Letter(record, _too_large(len(value), self._max_snapshot)))
                else:
                    known[key] = state
                    if claiming and profile is not None:
                        held[profile] = claims[profile] = key.decode()
                    snapshots.append(outcome)
            else:
                size += len(before) if isinstance(before, bytes) else 0
                if isinstance(outcome, Duplicate):
                    duplicates += 1
                else:
                    letters.append(Letter(record, outcome))
            if size > self.limit:
                break
        return Folded(snapshots, letters, duplicates, claims, taken, size)

    def _outcome(
        self,
        record: Record,
        update: SessionUpdate | PackedUpdate,
        state: State | None,
        holder: str | None,
    ) -> Snapshot | Duplicate | Rejected:
        """Return what becomes of an update: the compiled codec's answer, or else the core's."""
        update_of, session_of, encode, header = self._codec
        if not isinstance(update, SessionUpdate):
            if header is not None and not isinstance(state, Session):
                packed = update.onto(state, holder, header)
                if packed is not None:
                    value, claims = packed
                    return Snapshot(record, value, value, claims) if value else Duplicate()
            read = update_of(record)
            if isinstance(read, Rejected):
                return read
            update = read
        before = session_of(state) if isinstance(state, bytes) else state
        outcome = fold(before, update, holder)
        if not isinstance(outcome, Accepted):
            return outcome
        session, claim = outcome
        value = encode(session)
        state_after = session if header is None else value
        return Snapshot(record, state_after, value, claim is not None)


def _too_large(size: int, limit: int) -> Rejected:
    return Rejected(Reason.TOO_LARGE, f"the snapshot has {size} bytes, more than {limit}")
