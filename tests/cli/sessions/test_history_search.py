"""Where a session's records are looked for, and how little of the output is read for that."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from fakes.log_backends import FakeLog
from log_calls import NOON
from values import a_session

from processor.cli.sessions import record_search
from processor.cli.sessions.record_search import RecordSearch
from processor.ports.log import Outgoing, Record, Scan, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from processor.core.session import Session

KEY = b"7:visit"
HOUR = 3_600_000
RECORDS = 100
"""Of each partition, an hour apart."""


class Counted:
    """A scan that notes what it was asked to read, as offsets of each partition."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.read_at: dict[int, list[int]] = defaultdict(list)

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        self.read_at[partition] += range(start, end)
        return self._scan.read(topic, partition, start, end)


def session_of(record: Record) -> Session:
    version, created = map(int, (record.value or b"").split())
    return a_session(version=version, created=created)


def snapshot(version: int, created: int = 60) -> bytes:
    """Return a snapshot of a life that began at this hour."""
    return b"%d %d" % (version, NOON + created * HOUR)


class World:
    """An output in which the session has these records, in partitions and at offsets."""

    def __init__(self, there: Mapping[tuple[int, int], bytes | None]) -> None:
        log = FakeLog()
        for partition in range(2):
            log.feed(
                [
                    Outgoing(
                        Topic.SESSIONS,
                        partition,
                        NOON + at * HOUR,
                        KEY if (partition, at) in there else b"7:other",
                        there.get((partition, at), b"another's"),
                        (),
                    )
                    for at in range(RECORDS)
                ]
            )
        self.scan = Counted(log.scan())
        self.search = RecordSearch(self.scan, log.coordination(), session_of, KEY)
        self.passed = 0
        self.found = self.search.look({0: (0, RECORDS), 1: (0, RECORDS)}, self._pass)

    def _pass(self, count: int) -> None:
        self.passed += count

    def offsets(self, *, whole: bool = False, until: int | None = None) -> list[list[int]]:
        moment = None if until is None else NOON + until * HOUR
        return [
            [each.offset for each in self.search.records(partition, whole=whole, until=moment)]
            for partition in range(2)
        ]

    def least(self) -> list[int]:
        """Return from where on each partition was read."""
        return [min(self.scan.read_at[partition]) for partition in range(2)]


@pytest.fixture(autouse=True)
def window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_search, "WINDOW", 10)


def test_a_whole_life_is_read_from_its_creation_on() -> None:
    world = World({(0, 60): snapshot(1), (0, 70): snapshot(2), (0, 95): snapshot(3)})
    assert world.offsets() == [[60, 70, 95], []]
    assert world.search.began == {0: 59, 1: 59}
    assert world.least() == [59, 59]
    # The last window, what is before it, and once more from the session's first record there on.
    assert sorted(world.scan.read_at[0]) == sorted([*range(59, 100), 95])
    assert world.passed == 20


def test_a_life_whose_beginning_is_not_met_is_read_from_the_start() -> None:
    world = World({(0, 7): snapshot(2), (0, 70): snapshot(5)})
    assert world.offsets() == [[7, 70], []]
    assert world.search.began == {0: 0, 1: 59}, "the other is not read to its start"


def test_a_record_whose_clock_was_hours_behind_is_found_all_the_same() -> None:
    world = World({(0, 57): snapshot(1), (0, 95): snapshot(2)})
    assert world.offsets() == [[57, 95], []]


def test_earlier_lives_are_looked_for_when_asked_for_or_when_the_time_is_before() -> None:
    there = {(0, 3): snapshot(1, 3), (0, 60): snapshot(1), (0, 95): snapshot(2)}
    assert World(there).offsets() == [[60, 95], []]
    assert World(there).offsets(until=60) == [[60, 95], []]
    assert World(there).offsets(until=59) == [[3, 60, 95], []]
    assert World(there).offsets(whole=True) == [[3, 60, 95], []]
    elsewhere = {(1, 3): snapshot(1, 3), (0, 60): snapshot(1)}
    assert World(elsewhere).offsets(until=59) == [[60], [3]]
    late = World({(0, 3): snapshot(1, 3), (0, 62): snapshot(1), (0, 95): snapshot(2)})
    assert late.offsets(until=61) == [[3, 62, 95], []], "created at 60, with a record of 62"


def test_ends_alone_do_not_tell_when_a_life_began() -> None:
    world = World({(0, 97): None, (0, 40): snapshot(4), (0, 2): None})
    assert world.offsets() == [[2, 40, 97], []]
    ended = World({(1, 97): None})
    assert ended.found
    assert ended.offsets() == [[], [97]]


def test_a_session_in_two_partitions_is_found_in_both() -> None:
    world = World({(0, 60): snapshot(1), (0, 95): snapshot(2), (1, 80): snapshot(1, 80)})
    assert world.offsets() == [[60, 95], [80]]


def test_no_record_is_known_once_all_is_read_once() -> None:
    world = World({})
    assert not world.found
    assert [sorted(world.scan.read_at[each]) for each in range(2)] == [[*range(RECORDS)]] * 2
    assert world.passed == 2 * RECORDS
