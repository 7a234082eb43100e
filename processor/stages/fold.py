"""Fold: updates into their sessions, in the order of each partition."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import attrgetter
from typing import Final

from processor.avro.compiled import Bounds, Compiled, EncodedUpdate
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
)
from processor.state.ends import end_by

FOLD_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of snapshots, written or read in vain, after which a batch is cut: its rest goes into the
next transaction. To read one again for every update that it rejects may take 0.15 s a megabyte."""


_PROFILE: Final = attrgetter("profile")


def profile_of(update: Decoded) -> str | None:
    """Return the key of the profile that an update names, None where it names none."""
    if not isinstance(update, tuple):
        return update.profile
    if not isinstance(update, SessionUpdate) or not update.profile_id:
        return None
    return profile_key(update.application_id, update.profile_id)


def profiles_of(updates: Sequence[Decoded]) -> set[str]:
    """Return the keys of the profiles that updates name."""
    encoded = not any(issubclass(each, tuple) for each in set(map(type, updates)))
    return set(filter(None, map(_PROFILE if encoded else profile_of, updates)))


@dataclass(slots=True, kw_only=True)
class Fold:
    """Folds a batch part by part; takes what reads and writes values for the core."""

    update_of: Callable[[Record], SessionUpdate | Rejected]
    session_of: Callable[[bytes], Session]
    encode: Callable[[Session], bytes]
    bounds: Bounds
    compiled: Compiled | None = None
    """Takes what it can before each record that it leaves, if there is one."""

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
        part = Folded()
        pairs: Iterator[tuple[Record, Decoded]] = zip(records, updates, strict=True)
        if self.compiled is not None:
            given = pairs, current, held, part, self.bounds
            pairs = iter(partial(self.compiled.fold, *given), None)
        for record, update in pairs:
            part.taken += 1
            if isinstance(update, Rejected):
                part.letters.append(RejectedRecord(record, update))
            elif isinstance(update, SessionCommand):
                self._command(record, update, current[record.partition], held, part)
            else:
                self._update(record, update, current[record.partition], held, part)
            if part.size > self.bounds.limit:
                break
        return part

    def _command(
        self,
        record: Record,
        command: SessionCommand,
        known: dict[bytes, bytes | None],
        held: Mapping[str, str],
        part: Folded,
    ) -> None:
        key = record.key or b""
        before = known[key]
        session = None if before is None else self.session_of(before)
        done = fold_command(session, command, held)
        part.commands.append(CommandRecord(record, command, done))
        if isinstance(done, Ended):
            part.ended_claims |= done.claims
            known[key] = None
            if done.version is not None:
                part.ends[len(part.snapshots)] = end_by(command, done.version).headers()
                part.add(record, None)
        part.size += len(before or b"")

    def _update(
        self,
        record: Record,
        update: SessionUpdate | EncodedUpdate,
        known: dict[bytes, bytes | None],
        held: dict[str, str],
        part: Folded,
    ) -> None:
        key = record.key or b""
        before, profile = known[key], profile_of(update)
        holder = None if profile is None else held.get(profile)
        outcome = self._outcome(record, update, before, holder)
        if isinstance(outcome, (Duplicate, Rejected)):
            part.size += len(before or b"")
            if isinstance(outcome, Duplicate):
                part.duplicates += 1
            else:
                part.letters.append(RejectedRecord(record, outcome))
        else:
            known[key], claims = outcome
            if claims and profile is not None:
                held[profile] = part.claims[profile] = key.decode()
                part.claiming.add(record.partition)
            part.add(record, outcome[0])

    def _outcome(
        self,
        record: Record,
        update: SessionUpdate | EncodedUpdate,
        before: bytes | None,
        holder: str | None,
    ) -> tuple[bytes, bool] | Duplicate | Rejected:
        """Return what the core makes of an update.

        Of one that is accepted it is the snapshot, and whether that claims the profile.
        """
        read = update if isinstance(update, SessionUpdate) else self.update_of(record)
        if isinstance(read, Rejected):
            return read
        outcome = fold(None if before is None else self.session_of(before), read, holder)
        if not isinstance(outcome, Accepted):
            return outcome
        value = self.encode(outcome.session)
        if len(value) > self.bounds.max_snapshot:
            wrong = f"the snapshot has {len(value):,} bytes, more than {self.bounds.max_snapshot:,}"
            return Rejected(Reason.TOO_LARGE, wrong, event_id=read.event_id)
        return value, outcome.claim is not None
