"""Inputs that simulations share, and what the oracle makes of them, record by record.

There are few inputs and many schedules: what the oracle says of a record is remembered.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from oracle import (
    COMMAND_LISTS,
    Entry,
    Expected,
    Rejection,
    Snapshot,
    decode_command,
    expected,
    is_command,
)
from session_commands import commanded

from processor.demo.traffic import Mix, updates
from processor.ports.log import Outgoing, Topic

INPUTS = 512
SNAPSHOT_LIMIT = 4_000
_MIX = Mix(
    rejects=0.12,
    duplicates=0.1,
    too_large_every=60,
    snapshot_limit=SNAPSHOT_LIMIT,
    sessions_at_once=8,
)


class Feed(NamedTuple):
    """Records that are written at once; `committed` None: without a transaction."""

    records: tuple[Outgoing, ...]
    committed: bool | None


class Node:
    """Where one partition stands after some of its records."""

    __slots__ = ("_asks", "_next", "_sessions")

    def __init__(self, sessions: Mapping[bytes, dict[str, object]]) -> None:
        self._sessions = sessions
        self._asks: Sequence[str] = ()
        self._next: dict[tuple[bool, ...], Outcome] = {}

    def apart(self) -> "Node":
        """Return one with the same sessions, that remembers nothing of what other inputs had."""
        return Node(self._sessions)

    def step(self, entry: Entry, claimed: Mapping[str, bytes]) -> "Outcome":
        """Return what becomes of the next record, given who has claimed which profile."""
        own = {entry.key, b""} if is_command(entry) else {entry.key}
        if self._next:
            # The same is asked of whoever comes by here: what was answered tells them apart.
            held = tuple(claimed.get(each) in own for each in self._asks)
            if held in self._next:
                return self._next[held]
        asked = _Asked(claimed)
        result = Expected(sessions=dict(self._sessions), claims=asked)
        expected([entry], asked, SNAPSHOT_LIMIT, result)
        self._asks = asked.names
        held = tuple(claimed.get(each) in own for each in self._asks)
        found = [name for name, is_own in zip(self._asks, held, strict=True) if is_own]
        obeys = is_command(entry)
        outcome = self._next[held] = Outcome(
            result.snapshots[0] if result.snapshots else None,
            result.dead_letters[0].reason if result.dead_letters else None,
            found[0] if found and not obeys else None,
            {name: dict.get(asked, name) for name in found} if obeys else {},
            None if obeys or not self._asks else self._asks[0],
            Node(result.sessions),
        )
        return outcome


class Outcome(NamedTuple):
    """What becomes of a record: a snapshot or an end, a reason of rejection, or neither."""

    snapshot: Snapshot | None
    reason: str | None
    claims: str | None
    """The profile whose first session it is of."""
    ended_claims: Mapping[str, bytes | None]
    """What an erase makes of claims: None removes one, b"" leaves it without an owner."""
    decides: str | None
    """The profile of which it was asked whether this is the first session."""
    after: Node

    @property
    def ends(self) -> bool:
        """Whether it is of a command that ended something."""
        ended = self.snapshot is not None and self.snapshot.value is None
        return ended or bool(self.ended_claims)


class _Asked(dict[str, bytes]):
    """Who has claimed which profile, and for which ones that was asked."""

    def __init__(self, claimed: Mapping[str, bytes]) -> None:
        super().__init__(claimed)
        self.names: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.names.append(name)
        return super().get(name, default)


def names_profiles(entry: Entry) -> bool:
    """Whether it is a command that names profiles: it has a transaction of its own."""
    if not is_command(entry):
        return False
    try:
        command = decode_command(entry.value or b"")
    except Rejection:
        return False
    return any(command[each] for each in COMMAND_LISTS)


def commands_in(number: int) -> bool:
    """Whether an input has commands: every other one has."""
    return number % 2 == 0


class History:
    """One input: what is written to it, step by step, and what a reader finds there."""

    def __init__(self, number: int, partitions: int) -> None:
        chance = Random(number)
        count = chance.randint(20, 70)
        stream = updates(
            count, seed=number, mix=_MIX, partition=lambda key: crc32(key or b"") % partitions
        )
        if commands_in(number):
            stream = commanded(stream, number)
        records = [
            Outgoing(Topic.UPDATES, each.partition, each.timestamp, *each[:3]) for each in stream
        ]
        transactional = chance.random() < 0.3
        self.feeds: list[Feed] = []
        while records:
            size = chance.randint(1, 8)
            ends = (True, True, False) if transactional else (None,)
            self.feeds.append(Feed(tuple(records[:size]), chance.choice(ends)))
            records = records[size:]
        self.entries = self._entries(partitions)
        self.roots = [Node({}) for _ in range(partitions)]

    def _entries(self, partitions: int) -> list[list[Entry]]:
        entries: list[list[Entry]] = [[] for _ in range(partitions)]
        ends = [0] * partitions
        for records, committed in self.feeds:
            for _, partition, timestamp, key, value, headers in records:
                assert partition is not None
                if committed is not False:
                    entries[partition].append(
                        Entry(ends[partition], timestamp, key, value, headers)
                    )
                ends[partition] += 1
            if committed is not None:
                for partition in {each.partition for each in records}:
                    assert partition is not None
                    ends[partition] += 1
        return entries


@cache
def history(number: int, partitions: int) -> History:
    return History(number % INPUTS, partitions)
