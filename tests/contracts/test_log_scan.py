"""What a reader outside of the group owes, on every log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from log_calls import a_letter, a_snapshot, an_update, join, member, scanned
from system.process import eventually

from processor.ports.log import Committed, Extent, Record, Topic
from processor.ports.segments import rolling

if TYPE_CHECKING:
    from fakes.log_backends import LogBackend

pytest_plugins = ["fakes.log_backends"]


def test_a_scan_yields_what_is_committed_with_its_tombstones(log: LogBackend) -> None:
    membership = member(join(log))
    publication = log.publication()
    for value, commit in ((b"1", True), (b"2", False), (None, True)):
        publication.begin()
        publication.send([a_snapshot(0, value), a_snapshot(1, b"elsewhere")])
        publication.flush()
        if commit:
            publication.commit({}, membership)
        else:
            publication.abort()
    found = scanned(log, Topic.SESSIONS, 0)
    assert [(each.offset, each.value) for each in found] == [(0, b"1"), (4, None)]
    assert scanned(log, Topic.SESSIONS, 0, start=1) == found[1:]


def test_a_scan_leaves_out_what_only_lets_segments_roll(log: LogBackend) -> None:
    membership = member(join(log))
    publication = log.publication()
    publication.begin()
    publication.send([a_snapshot(0), rolling(Topic.SESSIONS, 0), rolling(Topic.CLAIMS, 1)])
    assert publication.flush()[0] == 2, "what follows begins behind it"
    publication.commit({}, membership)
    assert [each.key for each in scanned(log, Topic.SESSIONS, 0)] == [b"1:a"]
    assert scanned(log, Topic.CLAIMS, 1) == []


def test_the_latest_of_each_key_is_what_a_scan_yields_last(log: LogBackend) -> None:
    membership = member(join(log))
    publication = log.publication()
    last = {b"1:a": None, b"1:b": b"2"}
    publication.begin()
    for value in (b"1", b"2"):
        publication.send([a_snapshot(0, value, key) for key in last])
    publication.send([a_snapshot(0, None), rolling(Topic.SESSIONS, 0), a_snapshot(0, b"3", b"")])
    end = publication.flush()[0]
    publication.commit({}, membership)
    chunks = list(log.scan().latest(Topic.SESSIONS, 0, 0, end))
    assert [each.end for each in chunks if each.end is not None][-1] == end
    found: dict[bytes, bytes | None] = {}
    for each in chunks:
        found |= each.values
    assert found == last


def test_a_scan_ends_at_its_end_though_no_record_is_there(log: LogBackend) -> None:
    log.feed([a_letter(0, b"%d" % n) for n in range(3)], marked=True)
    assert log.coordination().extent(Topic.DEAD_LETTERS, 0).end == 4

    def values(start: int, end: int) -> list[bytes | None]:
        chunks = log.scan().read(Topic.DEAD_LETTERS, 0, start, end)
        return [record.value for chunk in chunks for record in chunk]

    assert values(0, 4) == [b"0", b"1", b"2"]
    assert values(3, 4) == []
    assert values(0, 2) == [b"0", b"1"]
    assert values(1, 1) == []
    assert values(2, 0) == []


def test_a_scan_of_the_input_has_one_record_for_a_batch_that_cannot_be_unpacked(
    log: LogBackend,
) -> None:
    log.feed([an_update(1)])
    log.spoil(1, 3)
    log.feed([an_update(1)])
    log.spoil(1, 1)

    def steps(start: int, end: int) -> list[tuple[int, int]]:
        chunks = log.scan().read(Topic.UPDATES, 1, start, end)
        return [(each.offset, each.next_offset) for chunk in chunks for each in chunk]

    assert steps(0, 6) == [(0, 1), (1, 4), (4, 5), (5, 6)]
    assert steps(0, 5) == [(0, 1), (1, 4), (4, 5)]
    assert steps(2, 3) == [(2, 4)]
    assert steps(0, 1) == [(0, 1)]


def test_a_scan_reads_from_what_is_left(log: LogBackend) -> None:
    log.feed([a_letter(0, b"%d" % n) for n in range(5)])
    log.expire(Topic.DEAD_LETTERS, 0, 3)
    found = scanned(log, Topic.DEAD_LETTERS, 0)
    assert [(each.offset, each.value) for each in found] == [(3, b"3"), (4, b"4")]


def test_a_scan_from_beyond_the_end_yields_nothing_before_its_start(log: LogBackend) -> None:
    log.feed([a_letter(0, b"%d" % n) for n in range(5)])
    chunks = log.scan().read(Topic.DEAD_LETTERS, 0, 7, 8)
    assert next(chunks) == []
    log.feed([a_letter(0, b"%d" % n) for n in range(5, 8)])
    assert [record.value for chunk in chunks for record in chunk] == [b"7"]


def test_a_scan_waits_out_an_open_transaction(log: LogBackend) -> None:
    subscription = join(log)
    log.feed([a_letter(0, b"before")])
    identity = log.die([a_letter(0, b"dead")], {0: Committed(1, "")}, member(subscription))
    log.feed([a_letter(0, b"after")])
    coordination = log.coordination()
    assert coordination.extent(Topic.DEAD_LETTERS, 0) == Extent(0, 1, 3)
    chunks = log.scan().read(Topic.DEAD_LETTERS, 0, 0, 3)
    first: list[Record] = []

    def waits() -> bool:
        chunk = next(chunks)
        first.extend(chunk)
        return bool(first) and not chunk

    eventually("a chunk, then none", waits)
    eventually("the id fenced", lambda: coordination.fence(identity))
    rest = [record for chunk in chunks for record in chunk]
    assert [each.value for each in first + rest] == [b"before", b"after"]


def test_an_uncommitted_scan_yields_what_was_aborted_and_what_is_open(log: LogBackend) -> None:
    membership = member(join(log))
    publication = log.publication()
    publication.begin()
    publication.send([a_snapshot(0, b"aborted")])
    publication.flush()
    publication.abort()
    log.die([a_snapshot(0, b"open")], {0: Committed(1, "")}, membership)
    end = log.coordination().extent(Topic.SESSIONS, 0).end
    chunks = log.scan(uncommitted=True).read(Topic.SESSIONS, 0, 0, end)
    assert [record.value for chunk in chunks for record in chunk] == [b"aborted", b"open"]
