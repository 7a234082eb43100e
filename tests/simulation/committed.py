"""What is committed of a partition, as the oracle folds it, and what a promote adds to that."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fakes.broker import Partition
from oracle import Entry, Snapshot, decode_session, is_nobodys

from simulation.history import Node, Outcome
from simulation.scheduler import Violation

Letter = tuple[int, str, bytes | None, bytes | None]
"""Input offset, reason, key, value."""


class Decision:
    """Whether a session is a profile's first, and the input offsets of snapshots that say so."""

    def __init__(self, profile: str, key: bytes, ended: bool) -> None:  # noqa: FBT001
        self.profile = profile
        self.key = key
        self.ended = ended
        """Whether an erase has ended the profile's claim since, or was about to."""
        self.offsets: list[int] = []


class PartitionState:
    """What is committed of one partition."""

    def __init__(self, root: Node, entries: list[Entry]) -> None:
        self.node = root
        self.offset: int | None = None
        self._shared: Iterator[Entry] | None = iter(entries)
        """What of the input that simulations share is to come; None once this one has left it."""
        self.output = 0
        """Below which output offset nothing is looked at any more."""
        self.rolled = 0
        """The output offset after the last tombstone that only lets a segment roll."""
        self.letters: list[Letter] = []
        self.snapshots: list[tuple[int, Snapshot]] = []
        """Snapshots and ends, each with its output offset."""
        self.values: set[tuple[bytes, bytes | None]] = set()
        self.commanded = self.ended = self.was_repaired = False
        """Whether a command was passed, one ended something, and a repair set the offset."""
        self.decisions: list[Decision] = []
        self._decided: dict[bytes, Decision] = {}

    def next_output(self) -> int:
        last = self.snapshots[-1][0] + 1 if self.snapshots else 0
        return max(self.output, self.rolled, last)

    def step(self, entry: Entry, claims: Mapping[str, bytes]) -> Outcome:
        """Return what becomes of the next record, and remember it."""
        shared = None if self._shared is None else next(self._shared, None)
        if shared is not None and (shared.offset, shared.value) != (entry.offset, entry.value):
            shared = None
        if shared is None and self._shared is not None:
            self._shared, self.node = None, self.node.apart()
        outcome = self.node.step(entry, claims)
        self.node = outcome.after
        return outcome

    def decide(self, outcome: Outcome, offset: int, claims: Mapping[str, bytes]) -> None:
        """Take note of what the `firstSession` of a snapshot rests on."""
        snapshot, profile = outcome.snapshot, outcome.decides
        if snapshot is None or snapshot.value is None:
            self._decided.pop(b"" if snapshot is None else snapshot.key, None)
            return
        if profile is not None:
            # Nobody holds it, and this is not the first: an erase was about to remove the claim.
            pending = outcome.claims is None and profile not in claims
            self._decided[snapshot.key] = Decision(profile, snapshot.key, pending)
            self.decisions.append(self._decided[snapshot.key])
        if decision := self._decided.get(snapshot.key):
            decision.offsets.append(offset)

    def repaired(self, offset: int, log: Partition) -> None:
        """Go on at an offset from what the output has."""
        self.snapshots = [
            (each.record.offset, Snapshot.of(each.record))
            for each in log.entries
            if each.record is not None and each.readable and not is_nobodys(each.record)
        ]
        self.values |= {each[:2] for _, each in self.snapshots}
        self.offset, self.output, self.was_repaired = offset, len(log.entries), True
        self.rolled = 0
        self.go_on()

    def go_on(self) -> None:
        """Fold what follows upon what the output has, whoever published it."""
        sessions = self.sessions(self.next_output())
        self._shared = None
        self.node = Node({key: decode_session(value) for key, value in sessions.items()})

    def latest(self, output: int) -> dict[bytes, Snapshot]:
        """Return the last snapshot or end of each key, as of an output offset."""
        return {each.key: each for offset, each in self.snapshots if offset < output}

    def sessions(self, output: int) -> dict[bytes, bytes]:
        """Return the sessions as of an output offset."""
        return sessions_of(each for offset, each in self.snapshots if offset < output)


class Promoting:
    """What a promote is to publish in one partition, each with its version, in order."""

    def __init__(self, due: Sequence[tuple[Snapshot, int]]) -> None:
        """Take snapshots and ends, whatever the version in their bytes, and the version due."""
        self.due = [*due]

    def take(self, told: Sequence[Snapshot]) -> None:
        """Let go of what was published. Raises Violation for what is not next."""
        expected = [_numbered(*each) for each in self.due[: len(told)]]
        found = [_numbered(each, None) for each in told]
        if found != expected:
            raise Violation("a promote published " + difference(found, expected))
        del self.due[: len(told)]


def _numbered(snapshot: Snapshot, version: int | None) -> tuple[object, ...]:
    """Return what is compared: of a session its fields, of an end all."""
    if snapshot.value is None:
        return snapshot
    fields = decode_session(snapshot.value)
    fields |= {} if version is None else {"version": version}
    return snapshot.key, fields, snapshot.timestamp


def sessions_of(output: Iterable[Snapshot]) -> dict[bytes, bytes]:
    """Return the sessions that snapshots and ends come to."""
    last = {each.key: each.value for each in output}
    return {key: value for key, value in last.items() if value is not None}


def difference(found: list[Any], wanted: list[Any]) -> str:
    """Return in words where what was found differs from what is due."""
    place = next(
        (at for at, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]),
        min(len(found), len(wanted)),
    )
    return (
        f"{len(found)} records where {len(wanted)} are due; the first to differ is number {place}: "
        f"{_short(found[place : place + 1])} for {_short(wanted[place : place + 1])}"
    )


def _short(values: list[Any]) -> str:
    text = repr(values)
    return text if len(text) < 200 else text[:200] + "…"
