"""Against every history that compaction may leave, with the whole history at hand."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from processor.replay.exact import ExactStart, Seen

KEYS = (b"a", b"b", b"c")
History = Sequence[tuple[bytes, Seen]]


@st.composite
def histories(draw: st.DrawFn) -> tuple[History, History]:
    """Return all snapshots of a partition, and those that compaction left of them."""
    versions = dict.fromkeys(KEYS, 0)
    whole = []
    offset = draw(st.integers(0, 3))
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=12)):
        versions[key] += 1
        whole.append((key, Seen(offset, versions[key])))
        offset += draw(st.integers(1, 3))
    last = dict(whole)
    left = [each for each in whole if last[each[0]] == each[1] or draw(st.booleans())]
    return whole, left


def state(history: History, start: int) -> dict[bytes, Seen]:
    return {key: snapshot for key, snapshot in history if snapshot.offset < start}


def found(history: History, start: int) -> ExactStart:
    exact = ExactStart(start, {})
    for key, snapshot in history:
        exact.saw(key, snapshot)
    return exact


@given(histories(), st.integers(0, 40))
def test_what_is_called_exact_is_the_state_as_it_was(
    both: tuple[History, History], start: int
) -> None:
    whole, left = both
    exact = found(left, start)
    assert exact.earliest >= start
    assert state(left, exact.earliest) == state(whole, exact.earliest)
    assert exact.exact == (exact.earliest == start)
    assert (exact.key is None) == exact.exact


@given(histories(), st.integers(0, 40))
def test_the_offset_that_is_named_is_the_least(both: tuple[History, History], start: int) -> None:
    _, left = both
    earliest = found(left, start).earliest
    assert found(left, earliest).exact
    assert not any(found(left, each).exact for each in range(start, earliest))


@given(histories(), st.integers(0, 40))
def test_without_compaction_every_offset_is_exact(
    both: tuple[History, History], start: int
) -> None:
    whole, _ = both
    assert found(whole, start).exact


def test_a_snapshot_that_is_absent_is_missed() -> None:
    left = [(b"a", Seen(0, 1)), (b"a", Seen(6, 3))]
    assert found(left, 0).exact
    assert found(left, 1).earliest == 7
    assert found(left, 6).earliest == 7
    assert found(left, 6).key == b"a"
    assert found(left, 7).exact


def test_a_key_that_was_removed_begins_anew() -> None:
    exact = ExactStart(3, {})
    exact.saw(b"a", Seen(0, 1))
    exact.removed(b"a")
    exact.saw(b"a", Seen(5, 1))
    assert exact.exact
