"""Which letters a selection means."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.cli.dead_letters.options import Chosen, LetterOptions
from processor.dead_letters.letter import DeadLetter
from processor.dead_letters.selection import Selection, digest, merged
from processor.errors import InputError, NotFound

LETTER = DeadLetter(3, 17, 1_000, "undecodable", "", ("updates", "3", "5"), "1:a", 9)


def asked(**options: Any) -> Chosen:
    return LetterOptions(**options).chosen()


@pytest.mark.parametrize(
    ("meant", "selection"),
    [
        (True, Selection()),
        (True, Selection(reasons=frozenset({"undecodable", "too-large"}))),
        (False, Selection(reasons=frozenset({"too-large"}))),
        (True, Selection(partitions=frozenset({3}))),
        (False, Selection(partitions=frozenset({4}))),
        (True, Selection(since=1_000, until=1_001)),
        (False, Selection(since=1_001)),
        (False, Selection(until=1_000)),
        (True, Selection(keys=frozenset({"1:a"}))),
        (False, Selection(keys=frozenset({"1:b"}))),
        (True, Selection(places={3: [(17, 17)]})),
        (False, Selection(places={4: [(17, 17)]})),
        (False, Selection(reasons=frozenset({"undecodable"}), partitions=frozenset({4}))),
    ],
)
def test_every_criterion_must_hold(selection: Selection, *, meant: bool) -> None:
    assert selection.chooses(LETTER) is meant


RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)).map(lambda r: (r[0], sum(r))))


@given(RANGES, st.integers(0, 80))
def test_merged_ranges_mean_the_same_offsets(ranges: list[tuple[int, int]], offset: int) -> None:
    places = {3: merged(ranges)}
    inside = any(first <= offset <= last for first, last in ranges)
    assert Selection(places=places).chooses(LETTER._replace(offset=offset)) is inside
    gaps = zip(places[3], places[3][1:], strict=False)
    assert all(former[1] + 1 < latter[0] for former, latter in gaps)


@given(RANGES, st.integers(0, 40), st.integers(0, 40), st.integers(0, 80))
def test_no_letter_is_outside_of_the_part_that_is_read(
    ranges: list[tuple[int, int]], start: int, length: int, offset: int
) -> None:
    selection = Selection(places={3: merged(ranges)})
    part = selection.within(3, start, start + length)
    if start <= offset < start + length and selection.chooses(LETTER._replace(offset=offset)):
        assert part is not None
        assert part[0] <= offset < part[1]


@given(st.permutations(["1:a", "1:b", "2:c"]), st.permutations(["3:1-4", "3:5", "0:9"]))
def test_the_order_of_options_does_not_change_their_digest(
    keys: list[str], offsets: list[str]
) -> None:
    other = asked(key=["2:c", "1:a", "1:b"], offsets=["0:9", "3:1-5"])
    assert digest(*asked(key=keys, offsets=offsets), 3) == digest(*other, 3)


def test_a_duration_ago_is_the_same_option_at_any_time() -> None:
    duration = asked(from_time="2h")
    later = duration.selection._replace(since=(duration.selection.since or 0) + 5_000)
    assert digest(*duration, 3) == digest(later, duration.since, None, 3)
    iso, number = asked(from_time="2026-03-01T12:00:00Z"), asked(from_time="1772366400000")
    assert digest(*iso, 3) == digest(*number, 3)
    assert len({digest(*each, 3) for each in (duration, iso, asked(from_time="3h"))}) == 3
    assert digest(*iso, 3) != digest(*iso, 4)
    assert digest(*asked(), 3) != digest(*asked(offsets=[]), 3)


def test_places_come_from_options_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "places"
    file.write_text("3:17\n\n3:18\n  0:4 \n3:2\n")
    assert asked(offsets_file=file, offsets=["3:3-5"]).selection.places == {
        0: [(4, 4)],
        3: [(2, 5), (17, 18)],
    }
    assert asked(offsets_file=file).selection.named() == {0, 3}


@pytest.mark.parametrize(
    "options",
    [
        {"from_time": "yesterday"},
        {"until_time": "2026-03-01T12:00:00"},
        {"from_time": "1h", "until_time": "2h"},
        {"offsets": ["3"]},
        {"offsets": ["3:"]},
        {"offsets": ["3:5-4"]},
        {"offsets": ["3:-4"]},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        asked(**options)
    assert refused.value.hint


def test_bad_lines_of_a_file_are_told_by_number(tmp_path: Path) -> None:
    file = tmp_path / "places"
    file.write_bytes(b"3:17\n3-18\n\xff\n")
    with pytest.raises(InputError, match="line 2: '3-18'; line 3"):
        asked(offsets_file=file)
    with pytest.raises(NotFound):
        asked(offsets_file=tmp_path / "absent")
    with pytest.raises(NotFound):
        asked(offsets_file=tmp_path)
