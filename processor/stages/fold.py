"""Fold: updates into their sessions, in the order of each partition."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from processor.avro.compiled import EncodedUpdate
from processor.core.command import SessionCommand, fold_command
from processor.core.fold import fold
from processor.core.outcome import Accepted, Duplicate, Ended, Reason, Rejected
from processor.core.session import Session, profile_key
from processor.core.update import SessionUpdate
from processor.ports.log import Record
from processor.stages.batch import (
    CommandRecord,
    Decoded,
    Folded,
    RejectedRecord,
    Sessions,
    Snapshot,
)
from processor.state.ends import end_by

FOLD_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of snapshots, written or read in vain, after which a batch is cut: its rest goes into the
next transaction. To read one again for every update that it rejects may take 0.15 s a megabyte."""


def profile_of(update: Decoded) -> str | None:
    """Return the key of the profile that an update names, None where it names none."""
    if isinstance(update, (Rejected, SessionCommand)):
        return None
    if not isinstance(update, SessionUpdate):
        return update.profile
    profile = update.profile_id
    return profile_key(update.application_id, profile) if profile else None


@dataclass(slots=True, kw_only=True)
class Fold:
    """Folds a batch part by part; takes what reads and writes values for the core."""

    update_of: Callable[[Record], SessionUpdate | Rejected]
    session_of: Callable[[bytes], Session]
    encode: Callable[[Session], bytes]
    header: bytes
    """What stands before each snapshot."""
    max_snapshot: int
    """How many bytes one may have."""
    limit: int = FOLD_LIMIT

    def __post_init__(self) -> None:
        """Remember a session or two: updates that one rejects come one after another."""
        self.session_of = lru_cache(maxsize=2)(self.session_of)

    def __call__(
        self,
        records: Sequence[Record],
        updates: Sequence[Decoded],
        sessions: Sessions,
        holders: Mapping[str, str],
    ) -> Folded:
        """Return what becomes of each record, given the sessions and the profiles' holders."""
        current = {partition: dict(known) for partition, known in sessions.items()}
        held = dict(holders)
        snapshots: list[Snapshot] = []
        letters: list[RejectedRecord] = []
        commands: list[CommandRecord] = []
        claims: dict[str, str] = {}
        ended_claims: dict[str, str | None] = {}
        duplicates = size = taken = 0
        for record, update in zip(records, updates, strict=True):
            taken += 1
            if isinstance(update, Rejected):
                letters.append(RejectedRecord(record, update))
                continue
            known = current[record.partition]
            key = record.key or b""
            before = known[key]
            if isinstance(update, SessionCommand):
                session = None if before is None else self.session_of(before)
                done = fold_command(session, update, held)
                commands.append(CommandRecord(record, update, done))
                if isinstance(done, Ended):
                    ended_claims |= done.claims
                    known[key] = None
                    if done.version is not None:
                        end = end_by(update, done.version)
                        snapshots.append(Snapshot(record, None, False, end.headers()))
                size += len(before or b"")
            else:
                profile = profile_of(update)
                holder = None if profile is None else held.get(profile)
                outcome = self._outcome(record, update, before, holder)
                if isinstance(outcome, Snapshot):
                    known[key] = outcome.value
                    if outcome.claims and profile is not None:
                        held[profile] = claims[profile] = key.decode()
                    snapshots.append(outcome)
                    size += len(outcome.value or b"")
                else:
                    size += len(before or b"")
                    if isinstance(outcome, Duplicate):
                        duplicates += 1
                    else:
                        letters.append(RejectedRecord(record, outcome))
            if size > self.limit:
                break
        return Folded(snapshots, letters, duplicates, commands, claims, ended_claims, taken, size)

    def _outcome(
        self,
        record: Record,
        update: SessionUpdate | EncodedUpdate,
        before: bytes | None,
        holder: str | None,
    ) -> Snapshot | Duplicate | Rejected:
        """Return what becomes of an update: the compiled codec's answer, or else the core's."""
        folded = None
        if not isinstance(update, SessionUpdate):
            folded = update.fold(before, holder, self.header)
        if folded is None:
            outcome = self._by_core(record, update, before, holder)
            if not isinstance(outcome, Accepted):
                return outcome
            folded = self.encode(outcome.session), outcome.claim is not None
        value, claims = folded
        if not value:
            return Duplicate()
        if len(value) > self.max_snapshot:
            wrong = f"the snapshot has {len(value):,} bytes, more than {self.max_snapshot:,}"
            read = self._read(record, update)
            return Rejected(Reason.TOO_LARGE, wrong, event_id=read.event_id)
        return Snapshot(record, value, claims)

    def _by_core(
        self,
        record: Record,
        update: SessionUpdate | EncodedUpdate,
        before: bytes | None,
        holder: str | None,
    ) -> Accepted | Duplicate | Rejected:
        read = self._read(record, update)
        if isinstance(read, Rejected):
            return read
        return fold(None if before is None else self.session_of(before), read, holder)

    def _read(
        self, record: Record, update: SessionUpdate | EncodedUpdate
    ) -> SessionUpdate | Rejected:
        return update if isinstance(update, SessionUpdate) else self.update_of(record)
