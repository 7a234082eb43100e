"""Against every history that compaction may leave, with the whole history at hand."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from processor.ports.log import Record
from processor.replay.exact import ExactStart, Gap, Seen

KEYS = (b"a", b"b", b"c")


class Told(NamedTuple):
    """A record of the output: a snapshot or, of version 0, an end; the version that it follows."""

    key: bytes
    seen: Seen
    follows: int


class Log(NamedTuple):
    """A partition's output, and the commands of its input."""

    output: Sequence[Told]
    commands: Sequence[tuple[bytes, int]]


@st.composite
def histories(draw: st.DrawFn, *, passed_over: bool = True) -> tuple[Log, Log]:
    """Return all that was published of a partition, and what compaction left of that."""
    versions = dict.fromkeys(KEYS, 0)
    whole, commands = [], []
    offset = draw(st.integers(0, 3))
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=14)):
        version = versions[key]
        kind = draw(st.sampled_from(["update", "update", "end", "passed over"]))
        if kind == "end" and version:
            commands.append((key, offset))
            whole.append(Told(key, Seen(offset, 0), version))
            versions[key] = 0
        elif kind == "passed over" and passed_over:
            commands.append((key, offset))
        else:
            versions[key] += 1
            whole.append(Told(key, Seen(offset, version + 1), version))
        offset += draw(st.integers(1, 3))
    left: list[Told] = []
    for at, each in enumerate(whole):
        last = all(later.key != each.key for later in whole[at + 1 :])
        if draw(st.booleans()) or (last and each.seen.version):
            left.append(each)
        elif not each.seen.version:
            # An end goes when all before it is gone.
            left = [kept for kept in left if kept.key != each.key]
    return Log(whole, commands), Log(left, commands)


def state(log: Log, start: int) -> dict[bytes, Seen]:
    last = {key: seen for key, seen, _ in log.output if seen.offset < start}
    return {key: seen for key, seen in last.items() if seen.version}


class InMemory:
    """What is lacking, in memory."""

    def __init__(self, commands: Iterable[tuple[bytes, int]]) -> None:
        self._left = list(commands)
        self._gaps: list[Gap] = []

    def met(self, key: bytes, offset: int) -> None:
        self._left = [each for each in self._left if each[0] != key or each[1] < offset]

    def last(self) -> tuple[int, bytes] | None:
        return max(((at, key) for key, at in self._left), default=None)

    def gap(self, gap: Gap) -> None:
        self._gaps.append(gap)

    def gaps(self) -> Iterator[Gap]:
        yield from self._gaps


def found(log: Log, start: int) -> ExactStart:
    exact = ExactStart(start, {}, InMemory(each for each in log.commands if each[1] >= start))
    for told in log.output:
        exact.saw(*told)
    exact.finish()
    return exact


@given(histories(), st.integers(0, 40))
def test_what_is_called_exact_is_the_state_as_it_was(both: tuple[Log, Log], start: int) -> None:
    whole, left = both
    exact = found(left, start)
    assert exact.earliest >= start
    assert state(left, exact.earliest) == state(whole, exact.earliest)
    assert exact.exact == (exact.earliest == start)


@given(histories(), st.integers(0, 40))
def test_the_offset_that_is_named_is_the_least(both: tuple[Log, Log], start: int) -> None:
    _, left = both
    earliest = found(left, start).earliest
    assert found(left, earliest).exact
    assert not any(found(left, each).exact for each in range(start, earliest))


@given(histories(passed_over=False), st.integers(0, 40))
def test_without_compaction_every_offset_is_exact(both: tuple[Log, Log], start: int) -> None:
    whole, _ = both
    assert found(whole, start).exact


def output(*told: tuple[bytes, int, int, int]) -> Log:
    return Log([Told(key, Seen(at, version), follows) for key, at, version, follows in told], ())


def test_a_snapshot_that_is_absent_is_missed() -> None:
    left = output((b"a", 0, 1, 0), (b"a", 6, 3, 2))
    assert found(left, 0).exact
    assert found(left, 1).earliest == 7
    assert found(left, 6).earliest == 7
    assert found(left, 6).key == b"a"
    assert found(left, 7).exact


def test_an_end_follows_the_version_that_it_names() -> None:
    left = output((b"a", 0, 1, 0), (b"a", 6, 0, 2), (b"a", 9, 1, 0))
    assert found(left, 3).earliest == 7
    assert found(left, 7).exact
    assert found(output((b"a", 0, 1, 0), (b"a", 6, 0, 1), (b"a", 9, 1, 0)), 3).exact
    # The end itself is gone, and so is when it was.
    assert found(output((b"a", 0, 1, 0), (b"a", 9, 1, 0)), 3).earliest == 10


def test_a_command_on_a_key_without_a_record_before_it_is_not_explained() -> None:
    assert found(Log([], [(b"a", 5)]), 3).earliest == 6
    assert found(Log([], [(b"a", 5)]), 6).exact
    later = output((b"a", 9, 1, 0))
    assert found(later._replace(commands=[(b"a", 5)]), 3).earliest == 6
    assert found(later._replace(commands=[(b"a", 12)]), 3).exact


def test_a_tombstone_of_somebody_else_makes_nothing_exact() -> None:
    exact = ExactStart(3, {}, InMemory(()))
    exact.take(Record(0, 7, 0, b"a", None, ()), lambda value: Seen(int(value), 1), 0)
    exact.finish()
    assert not exact.exact
    assert "offset 7 of the output" in exact.why


def test_a_command_that_nothing_explains_is_told_as_what_is_known() -> None:
    told = found(Log([], [(b"a", 5)]), 3).why
    assert told.startswith("a command at offset 5 of the input names b'a', of which the output has")
    later = output((b"b", 2, 1, 0), (b"b", 9, 3, 0))
    exact = found(later._replace(commands=[(b"a", 5)]), 3)
    assert exact.earliest == 10
    assert exact.why == "compaction has removed a record of b'b' that the state needs"
