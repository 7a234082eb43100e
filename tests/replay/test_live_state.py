"""Whether the state is exact, read from what compaction left of the output."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import cast

from fakes.service import STREAM

from processor.ports.log import Coordination, Extent, Record, Topic
from processor.replay.exact import Seen
from processor.replay.live_state import LiveState
from processor.replay.plan import LiveOutput, Range
from processor.replay.spill import SpilledSeen


class Log:
    """One partition's snapshots, each `(key, input offset, version)`, and where it ends."""

    def __init__(self, *snapshots: tuple[bytes, int, int]) -> None:
        self._records = [
            Record(0, at, -1, key, b"%d %d" % (offset, version), ())
            for at, (key, offset, version) in enumerate(snapshots)
        ]

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        assert (topic, partition) == (Topic.SESSIONS, 0)
        yield []
        yield [each for each in self._records if start <= each.offset < end]

    def extent(self, _topic: Topic, _partition: int) -> Extent:
        return Extent(0, len(self._records), len(self._records))


def seen(value: bytes) -> Seen:
    offset, version = value.split()
    return Seen(int(offset), int(version))


def inexact(log: Log, start: int, end: int = 99, former: int = 0) -> list[int]:
    survey = LiveState(STREAM, cast(Coordination, log), log)
    told: list[tuple[int, int, int]] = []
    points = survey.inexact(
        {0: Range(start, 100)}, {0: LiveOutput(end, former)}, seen, lambda *each: told.append(each)
    )
    assert told == [] if start == former == 0 else told[-1] == (0, end, end)
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
