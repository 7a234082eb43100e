"""A redrive, killed and gone on with, against a log in memory."""

from collections.abc import Iterator, Mapping, Sequence

import pytest
from fakes.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from processor.dead_letters.decision import Input, Skip
from processor.dead_letters.progress import (
    Mark,
    RedrivePosition,
    RedrivePositions,
    committed,
    expired,
    going_on,
)
from processor.dead_letters.redrive import RateLimit, Redrive, RedriveCounts
from processor.dead_letters.selection import Selection
from processor.errors import FailClosed, InputError, UnpublishableError
from processor.ports.log import Committed, Outgoing, Record

TO = Input("updates", 2, 3)
PREFIX = "__streams.errors."


class Killed(Exception):  # noqa: N818
    pass


class Letters:
    """Two partitions of dead letters, an input, and the positions; each delivery is one step."""

    def __init__(self, values: Sequence[Sequence[bytes]]) -> None:
        self.letters = [
            [_letter(partition, 3 * place, value) for place, value in enumerate(values[partition])]
            for partition in range(2)
        ]
        self.input: list[bytes | None] = []
        self.positions: dict[int, Committed] = {}
        self.steps_left = -1
        self.passed = 0
        self.read_on_after: list[int] = []

    def read(self, partition: int, start: int, end: int) -> Iterator[Sequence[Record]]:
        yield ()
        for record in self.letters[partition]:
            if start <= record.offset < end:
                yield (record,)

    def deliver(
        self,
        records: Sequence[Outgoing],
        before: Mapping[int, Committed],
        after: Mapping[int, Committed],
        /,
    ) -> None:
        assert before == self.positions
        if self.steps_left == 0:
            raise Killed
        self.steps_left -= 1
        if any(each.value == b"refused" for each in records):
            raise UnpublishableError("too large")
        self.input += [each.value for each in records]
        self.positions = dict(after)

    def covers(self, _partition: int, _key: bytes | None, _offset: int, /) -> bool:
        return False

    def read_on(self) -> None:
        self.read_on_after.append(len(self.input))

    def fresh(self, digest: str = "d", extra: int = 0) -> RedrivePositions:
        ends = [3 * len(each) + 1 + extra for each in self.letters]
        ids = ("letters", "updates")
        return {
            p: RedrivePosition(0, Mark(digest, None, None, ids, 2, ends[p], 0)) for p in range(2)
        }

    def run(self, selection: Selection, steps: int = -1, rate: float | None = 2) -> RedriveCounts:
        self.steps_left = steps
        positions = going_on("name", self.positions, self.fresh())
        if not self.positions:
            self.deliver((), {}, committed(positions))
        self.passed = 0
        drive = Redrive(
            read=self.read,
            selection=selection,
            to=TO,
            erases=self,
            positions=positions,
            deliver=self.deliver,
            pace=RateLimit(rate, FakeClock()),
            on_progress=self._told,
        )
        tally = drive.run()
        assert self.passed == sum(each.left for each in positions.values())
        return tally

    def _told(self, passed: int) -> None:
        self.passed += passed


def _letter(partition: int, offset: int, value: bytes) -> Record:
    headers = [
        (PREFIX + "exception", b"undecodable"),
        (PREFIX + "topic", b"updates"),
        (PREFIX + "partition", str(partition).encode()),
        (PREFIX + "offset", str(offset).encode()),
    ]
    return Record(partition, offset, 1_000, b"even" if offset % 2 else b"odd", value, headers)


VALUES = st.lists(st.sampled_from([b"a", b"b", b"refused"]), max_size=9)


@given(VALUES, VALUES, st.lists(st.integers(0, 6), max_size=6), st.sampled_from([None, 1, 2, 5]))
def test_however_often_it_is_killed_each_letter_is_sent_once(
    first: list[bytes], second: list[bytes], kills: list[int], rate: float | None
) -> None:
    log = Letters([first, second])
    for steps in kills:
        try:
            log.run(Selection(), steps, rate)
        except Killed:
            continue
    log.run(Selection(), rate=rate)
    assert log.input == [each for each in first + second if each != b"refused"]
    again = log.run(Selection(), rate=rate)
    assert (again.sent.total(), again.skipped) == (0, {})
    sent = sum(Mark.decode(each.metadata).sent for each in log.positions.values())
    assert sent == len(log.input)


def test_what_is_refused_is_told_and_passed() -> None:
    tally = Letters([[b"a", b"refused", b"b"], [b"refused"]]).run(Selection(), rate=None)
    assert tally.skipped == {Skip.REFUSED: 2}
    assert tally.refused == ["0:3", "1:0"]
    assert tally.sent == {("undecodable", 0): 2}


def test_only_what_is_chosen_is_sent() -> None:
    log = Letters([[b"a", b"b", b"c"], [b"d", b"e"]])
    log.run(Selection(keys=frozenset({"even"})))
    assert log.input == [b"b", b"e"]
    log = Letters([[b"a", b"b", b"c"], [b"d", b"e"]])
    log.run(Selection(places={1: [(3, 3)]}))
    assert log.input == [b"e"]


def test_letters_that_came_later_are_another_redrives() -> None:
    log = Letters([[b"a"], []])
    log.run(Selection())
    log.letters[0].append(_letter(0, 30, b"later"))
    log.run(Selection())
    assert log.input == [b"a"]


def test_what_was_erased_is_looked_at_again_after_each_delivery() -> None:
    log = Letters([[b"a", b"b", b"c"], [b"d"]])
    log.run(Selection(), rate=2)
    assert log.read_on_after == [2, 3, 4]


def test_a_rate_is_kept_by_waiting() -> None:
    clock = FakeClock()
    pace = RateLimit(10, clock)
    for _ in range(5):
        pace.delivered(10)
    assert clock.now == pytest.approx(5)
    assert RateLimit(0.5, clock).batch == 1
    assert RateLimit(None, clock).batch == 500


def test_a_name_is_one_selections() -> None:
    log = Letters([[b"a"], []])
    log.run(Selection())
    with pytest.raises(InputError, match="other options"):
        going_on("name", log.positions, log.fresh("another"))


def test_what_cannot_be_told_is_refused() -> None:
    log = Letters([[b"a"], []])
    fresh = log.fresh()
    log.run(Selection())
    one = {0: log.positions[0]}
    with pytest.raises(FailClosed, match="1 of 2 partitions"):
        going_on("name", one, fresh)
    for text in ("", "{}", "[1]", '{"format": 1}', '{"format": 2}'):
        with pytest.raises(FailClosed) as refused:
            going_on("name", {0: Committed(1, text)}, fresh)
        assert refused.value.hint
    recreated = {
        p: position._replace(mark=position.mark._replace(topics=("letters", "new")))
        for p, position in fresh.items()
    }
    with pytest.raises(FailClosed, match="created again"):
        going_on("name", log.positions, recreated)


def test_what_expired_before_it_was_read_is_counted() -> None:
    mark = Mark("s", None, None, ("letters", "updates"), 3, 10, 0)
    positions = {each: RedrivePosition(4, mark) for each in range(3)}
    assert expired(positions, {0: 0, 1: 6, 2: 50}) == 2 + 6
