"""Whether the state is exact, read from what compaction left of the output."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import cast

from fakes.service import STREAM

from processor.ports.log import Committed, Coordination, Extent, Record, Topic
from processor.replay.exact import Seen, Values
from processor.replay.live_state import LiveState
from processor.replay.plan import LiveOutput, Range
from processor.replay.spill import SpilledSeen

INPUT_END = 100


class Log:
    """One partition's snapshots, each `(key, input offset, version)`, and its input's commands."""

    def __init__(
        self, *snapshots: tuple[bytes, int, int], commands: Mapping[int, bytes] | None = None
    ) -> None:
        self._records = [
            Record(0, at, -1, key, b"%d %d" % (offset, version), ())
            for at, (key, offset, version) in enumerate(snapshots)
        ]
        self._input = [
            Record(0, at, -1, key, b"command", ()) for at, key in (commands or {}).items()
        ]

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        assert partition == 0
        records = self._records if topic is Topic.SESSIONS else self._input
        yield []
        yield [each for each in records if start <= each.offset < end]

    def committed(self, _partition: int, *, stable: bool) -> Committed:
        assert not stable
        return Committed(INPUT_END, "")

    def extent(self, topic: Topic, _partition: int) -> Extent:
        if topic is Topic.SESSIONS:
            # The markers of the last transactions are not written yet: reading waits for them.
            return Extent(0, 0, len(self._records))
        return Extent(0, INPUT_END, INPUT_END)


def seen(value: bytes) -> Seen:
    offset, version = value.split()
    return Seen(int(offset), int(version))


VALUES = Values(seen, lambda record: record.value == b"command")


def inexact(log: Log, start: int, end: int = 99, former: int = 0) -> list[int]:
    survey = LiveState(STREAM, cast(Coordination, log), log)
    told: list[tuple[int, int, int]] = []
    points = survey.inexact(
        {0: Range(start, 100)},
        {0: LiveOutput(end, former)},
        VALUES,
        lambda *each: told.append(each),
    )
    assert (
        told == []
        if start == former == 0
        else told[-1] == (0, end + INPUT_END - start, end + INPUT_END - start)
    )
    return [point.earliest for point in points]


def test_a_whole_log_is_exact_and_one_with_a_gap_is_not() -> None:
    whole = Log((b"a", 1, 1), (b"a", 5, 2), (b"a", 9, 3))
    assert inexact(whole, 6) == []
    # Version 2 is gone: of the state as of 6 it would have been a part.
    gap = Log((b"a", 1, 1), (b"a", 9, 3))
    assert inexact(gap, 6) == [10]
    assert inexact(gap, 10) == []
    assert inexact(gap, 0) == []
    # What was published after the plan's end tells, too, that compaction has been there.
    assert inexact(gap, 6, end=1) == [10]
    assert inexact(Log((b"a", 1, 1), (b"a", 9, 2)), 6, end=1) == []


def test_a_command_whose_session_left_nothing_is_not_passed_by() -> None:
    left = Log((b"a", 1, 1), commands={3: b"a", 20: b"b", 40: b"b"})
    assert inexact(left, 2) == [41]
    assert inexact(left, 41) == []
    assert inexact(Log((b"b", 10, 1), commands={20: b"b"}), 2) == []
    # Whatever the command ended was before what is left.
    assert inexact(Log((b"b", 30, 1), commands={20: b"b"}), 2) == [21]
    # Live has not come to it, so it has ended nothing.
    assert inexact(Log(commands={INPUT_END: b"b"}), 2) == []


def test_what_answers_a_former_input_is_before_any_start() -> None:
    log = Log((b"a", 60, 2), (b"a", 3, 3))
    assert inexact(log, 2, former=1) == []
    assert inexact(log, 0, former=1) == []
    # What compaction has removed may have been the former input's last.
    gap = Log((b"a", 60, 2), (b"a", 3, 4))
    assert inexact(gap, 2, former=1) == [4]
    assert inexact(gap, 0, former=1) == [4]


def test_what_is_spilled_is_what_a_dict_keeps() -> None:
    random, spilled, kept = Random(3), SpilledSeen(), dict[bytes, Seen]()
    for turn in range(2_000):
        key = b"%d" % random.randrange(200)
        if random.random() < 0.2:
            assert spilled.pop(key, None) == kept.pop(key, None)
        else:
            spilled[key] = kept[key] = Seen(turn, random.randrange(9))
        assert spilled.get(key) == kept.get(key)
    assert dict(spilled) == kept
    assert len(spilled) == len(kept)
    spilled.close()
