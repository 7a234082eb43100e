"""Inputs that simulations share, and what the oracle makes of them, record by record.

There are few inputs and many schedules: what the oracle says of a record is remembered.
"""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import NamedTuple
from zlib import crc32

from oracle import Entry, Expected, expected

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
        self._asks: str | None = None
        self._next: dict[bool, Outcome] = {}

    def apart(self) -> "Node":
        """Return one with the same sessions, that remembers nothing of what other inputs had."""
        return Node(self._sessions)

    def step(self, entry: Entry, claimed: Mapping[str, bytes]) -> "Outcome":
        """Return what becomes of the next record, given who has claimed which profile."""
        if self._next:
            first = self._asks is not None and claimed.get(self._asks) == entry.key
            if first in self._next:
                return self._next[first]
        asked = _Asked(claimed)
        result = Expected(sessions=dict(self._sessions))
        expected([entry], asked, SNAPSHOT_LIMIT, result)  # type: ignore[arg-type]  # only `get`
        self._asks = asked.name
        first = asked.name is not None and claimed.get(asked.name) == entry.key
        outcome = self._next[first] = Outcome(
            result.snapshots[0].value if result.snapshots else None,
            result.dead_letters[0].reason if result.dead_letters else None,
            asked.name if first else None,
            Node(result.sessions),
        )
        return outcome


class Outcome(NamedTuple):
    """What becomes of a record: a snapshot, a reason of rejection, or neither."""

    snapshot: bytes | None
    reason: str | None
    claims: str | None
    """The profile whose first session it is of."""
    after: Node


class _Asked:
    """Who has claimed which profile, and for which one that was asked."""

    def __init__(self, claimed: Mapping[str, bytes]) -> None:
        self._claimed = claimed
        self.name: str | None = None

    def get(self, name: str) -> bytes | None:
        self.name = name
        return self._claimed.get(name)


class History:
    """One input: what is written to it, step by step, and what a reader finds there."""

    def __init__(self, number: int, partitions: int) -> None:
        chance = Random(number)
        count = chance.randint(20, 70)
        records = [
            Outgoing(Topic.UPDATES, each.partition, each.timestamp, *each[:3])
            for each in updates(
                count, seed=number, mix=_MIX, partition=lambda key: crc32(key or b"") % partitions
            )
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
