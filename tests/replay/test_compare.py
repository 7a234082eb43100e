"""Pairs of snapshots, on both sides of a replay."""

from collections.abc import Mapping, Sequence

from processor.ports.log import Record
from processor.replay.compare import Comparison, Difference, DifferenceKind
from processor.replay.exact import Seen
from processor.replay.plan import Range
from processor.state.ends import End

Told = tuple[str, int, int, str]
"""A key, an input offset, a version and a state; `ended` is an end."""


def records(told: Sequence[Told]) -> list[Record]:
    return [_record(at, *each) for at, each in enumerate(told)]


def _record(at: int, key: str, offset: int, version: int, state: str) -> Record:
    if state == "ended":
        headers = End("erase", offset, "e", version).headers()
        return Record(0, at, -1, key.encode(), None, headers)
    return Record(0, at, -1, key.encode(), f"{offset} {version} {state}".encode(), ())


def seen(value: bytes) -> Seen:
    offset, version, _ = value.split()
    return Seen(int(offset), int(version))


def fields(value: bytes) -> Mapping[str, object]:
    offset, version, state = value.decode().split()
    return {"inputOffset": int(offset), "version": int(version), "state": state}


def compared(
    live: Sequence[Told],
    again: Sequence[Told],
    bounds: Range = Range(0, 100),  # noqa: B008  a tuple
    *,
    last_only: bool = False,
    former: tuple[int, int] = (0, 0),
) -> tuple[list[Difference], dict[str, int]]:
    comparison = Comparison(bounds, seen, fields, last_only=last_only, former=former)
    comparison.live(records(live))
    comparison.again(records(again))
    found = list(comparison.differences())
    comparison.close()
    return found, {kind.value: count for kind, count in comparison.counts.items()}


def test_equal_but_for_the_version() -> None:
    live = [("a", 1, 1, "open"), ("b", 2, 7, "open"), ("a", 3, 2, "closed")]
    again = [("a", 1, 1, "open"), ("b", 2, 1, "open"), ("a", 3, 2, "closed")]
    assert compared(live, again) == ([], {"equal": 3})


def test_what_answers_a_former_input_is_no_pair() -> None:
    live = [("a", 50, 4, "open"), ("b", 50, 1, "open"), ("a", 50, 5, "closed")]
    again = [("a", 50, 4, "open"), ("b", 50, 1, "open"), ("a", 50, 5, "closed")]
    assert compared(live, again, former=(2, 2)) == ([], {"equal": 1})
    assert compared(live, again[:2], former=(2, 2))[1] == {"missing": 1}
    assert compared(live, again, last_only=True, former=(2, 2)) == ([], {"equal": 2})


def test_each_kind_of_difference() -> None:
    live = [("a", 1, 1, "open"), ("a", 3, 2, "closed"), ("b", 5, 1, "open"), ("c", 8, 1, "open")]
    again = [
        ("a", 1, 1, "open"),
        ("a", 3, 2, "cancelled"),
        ("b", 6, 1, "open"),
        ("c", 8, 1, "open"),
    ]
    found, counts = compared(live, again)
    assert found == [
        Difference(DifferenceKind.CHANGED, b"a", 3, {"state": ("closed", "cancelled")}),
        Difference(DifferenceKind.MISSING, b"b", 5, {}),
        Difference(DifferenceKind.EXTRA, b"b", 6, {}),
    ]
    assert counts == {"equal": 2, "changed": 1, "missing": 1, "extra": 1}


def test_only_the_range_is_compared() -> None:
    live = [("a", 1, 1, "open"), ("a", 30, 2, "closed"), ("a", 70, 3, "cancelled")]
    again = [("a", 1, 1, "other"), ("a", 30, 2, "closed")]
    assert compared(live, again, Range(20, 60)) == ([], {"equal": 1})


def test_the_last_written_of_a_pair_counts() -> None:
    live = [("a", 1, 1, "open"), ("a", 1, 2, "closed")]
    assert compared(live, [("a", 1, 1, "closed")])[1] == {"equal": 1}


def test_a_gap_in_the_live_versions_is_compaction_and_no_more_than_the_gap() -> None:
    again = [("a", offset, version, "open") for version, offset in enumerate((1, 2, 3, 4), 1)]
    live = [("a", 4, 3, "open")]
    found, counts = compared(live, again)
    assert counts == {"equal": 1, "compacted": 2, "extra": 1}
    assert [each.kind for each in found] == [DifferenceKind.EXTRA]
    # Without a later live snapshot nothing can have removed one.
    assert compared([("a", 1, 1, "open")], again)[1] == {"equal": 1, "extra": 3}
    # One past the end of the range tells as well.
    later = [("a", 90, 5, "open")]
    assert compared(later, again, Range(0, 50))[1] == {"compacted": 4}


def test_once_made_live_the_last_states_are_compared() -> None:
    live = [("a", 1, 1, "open"), ("a", 5, 2, "wrong"), ("a", 5, 3, "right"), ("b", 2, 1, "open")]
    again = [("a", 1, 1, "open"), ("a", 5, 2, "right"), ("b", 2, 1, "open")]
    assert compared(live, again, last_only=True) == ([], {"equal": 2})
    again[1] = ("a", 4, 2, "right")
    (found,), _ = compared(live, again, last_only=True)
    assert found.fields == {"inputOffset": (5, 4)}
    gone = [("a", 200, 9, "open")]
    assert compared(gone, again, last_only=True)[1] == {"compacted": 1, "extra": 1}
    assert compared(live, [], last_only=True)[1] == {"missing": 2}


LIVES: list[Told] = [
    ("a", 1, 1, "open"),
    ("a", 2, 2, "closed"),
    ("a", 3, 2, "ended"),
    ("a", 4, 1, "open"),
    ("a", 5, 2, "open"),
]


def test_ends_are_pairs_whatever_they_number() -> None:
    assert compared(LIVES, LIVES) == ([], {"equal": 5})
    renumbered: list[Told] = [("b", 5, 7, "open"), ("b", 6, 7, "ended")]
    assert compared(renumbered, [("b", 5, 1, "open"), ("b", 6, 1, "ended")])[1] == {"equal": 2}


def test_an_end_on_one_side_is_told() -> None:
    without: list[Told] = [each for each in LIVES if each[3] != "ended"]
    found, counts = compared(LIVES, without)
    assert found == [Difference(DifferenceKind.MISSING, b"a", 3, {})]
    assert counts == {"equal": 4, "missing": 1}
    # Two of one offset: the snapshot is what the other side lacks.
    snapshot: list[Told] = [*LIVES[:2], ("a", 3, 3, "cancelled")]
    assert compared(LIVES[:3], snapshot)[1] == {"equal": 2, "extra": 1}
    assert compared(snapshot, LIVES[:3])[1] == {"equal": 2, "missing": 1}


def test_what_compaction_took_with_an_end_is_nobodys_difference() -> None:
    """Live has the second life alone, or nothing: an end goes, and the life before it."""
    assert compared(LIVES[3:], LIVES) == ([], {"equal": 2, "compacted": 3})
    assert compared([], LIVES[:3]) == ([], {"compacted": 3})
    # An end that is left says how many snapshots were before it.
    assert compared(LIVES[2:], LIVES) == ([], {"equal": 3, "compacted": 2})
    # Of a life that lasts nothing goes but behind a later snapshot.
    assert compared(LIVES[:3], LIVES)[1] == {"equal": 3, "extra": 2}


def test_an_end_that_live_has_not_is_no_compaction_while_what_it_ended_stands() -> None:
    again: list[Told] = [("a", 1, 1, "open"), ("a", 3, 1, "ended")]
    differences, counts = compared([("a", 1, 1, "open")], again)
    assert counts == {"equal": 1, "extra": 1}
    assert [each.offset for each in differences] == [3]
    goes_on: list[Told] = [("a", 1, 1, "open"), ("a", 5, 2, "open"), ("a", 7, 3, "closed")]
    differences, counts = compared(goes_on, [*again, ("a", 5, 1, "open"), ("a", 7, 2, "closed")])
    assert counts == {"equal": 3, "extra": 1}


def test_the_count_of_versions_begins_again_after_an_end() -> None:
    """Version 2 after an end lacks one, and after version 2 of another life none."""
    live = [*LIVES[:3], LIVES[4]]
    assert compared(live, LIVES) == ([], {"equal": 4, "compacted": 1})
    assert compared(LIVES, [*LIVES[:4], ("a", 45, 2, "open")], Range(0, 100))[1] == {
        "equal": 4,
        "missing": 1,
        "extra": 1,
    }


def test_once_made_live_ends_are_last_states_too() -> None:
    assert compared(LIVES[:3], LIVES[:3], last_only=True) == ([], {"equal": 1})
    assert compared(LIVES[:2], LIVES[:3], last_only=True)[1] == {"missing": 1}
    assert compared(LIVES[:3], LIVES[:2], last_only=True)[1] == {"extra": 1}
    assert compared([], LIVES[:3], last_only=True)[1] == {"compacted": 1}
    later: list[Told] = [*LIVES[:3], ("a", 200, 1, "open")]
    assert compared(later, LIVES[:3], last_only=True)[1] == {"equal": 1}
