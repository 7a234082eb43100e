"""A partition's dead letters against the limits: by example, and as a plain list has them."""

from itertools import accumulate, groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.config import Settings
from processor.dead_letters.limits import BUCKETS, FloodLimits, LetterCount

GOOD, BAD = False, True
WIDTH = 2.0
WINDOW = WIDTH * BUCKETS

commits = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.5, WIDTH, 7.3, WINDOW / 2, WINDOW, 3 * WINDOW]),
        st.lists(st.booleans(), max_size=12),
    ),
    max_size=30,
)
"""The seconds since the one before, and what became of each record: True is a dead letter."""


def test_without_a_limit_nothing_is_on() -> None:
    assert not FloodLimits().on
    assert FloodLimits(ratio=0.0).on
    assert FloodLimits(consecutive=1).on


def test_a_limit_is_passed_by_more_than_its_value() -> None:
    tally = LetterCount(FloodLimits(consecutive=3))
    assert tally.add([BAD] * 3, 0.0) is None
    excess = tally.add([BAD], 0.0)
    assert excess is not None
    assert excess == (
        "consecutive",
        "4 dead letters in a row, more than PROCESSOR_MAX_CONSECUTIVE_DEAD_LETTERS=3",
    )


def test_a_good_record_ends_a_run_but_does_not_undo_one() -> None:
    assert LetterCount(FloodLimits(consecutive=2)).add([BAD, BAD, GOOD, BAD, BAD], 0.0) is None
    assert LetterCount(FloodLimits(consecutive=2)).add([BAD, BAD, BAD, GOOD], 0.0) is not None


def test_a_run_goes_on_over_commits_and_any_time() -> None:
    tally = LetterCount(FloodLimits(consecutive=2, window=1.0))
    assert tally.add([GOOD, BAD], 0.0) is None
    assert tally.add([BAD], 1e6) is None
    assert tally.add([BAD, GOOD], 2e6) is not None


def test_the_ratio_counts_above_the_minimum_only() -> None:
    tally = LetterCount(FloodLimits(ratio=0.5, minimum=10))
    assert tally.add([BAD] * 10, 0.0) is None
    excess = tally.add([BAD], 0.0)
    assert excess is not None
    assert excess.limit == "ratio"
    assert excess.text.startswith("11 dead letters among 11 records within 300 s, more than ")
    assert excess.text.endswith("PROCESSOR_MAX_DEAD_LETTER_RATIO=0.5")


def test_the_ratio_is_passed_by_more_than_its_value() -> None:
    limits = FloodLimits(ratio=0.25, minimum=0)
    assert LetterCount(limits).add([BAD] + [GOOD] * 3, 0.0) is None
    assert LetterCount(limits).add([BAD] * 2 + [GOOD] * 5, 0.0) is not None


def test_a_ratio_of_nought_lets_none_pass_and_one_lets_all() -> None:
    assert LetterCount(FloodLimits(ratio=0.0, minimum=0)).add([GOOD] * 99 + [BAD], 0.0) is not None
    assert LetterCount(FloodLimits(ratio=1.0, minimum=0)).add([BAD] * 99, 0.0) is None


def test_what_is_older_than_the_window_does_not_count() -> None:
    tally = LetterCount(FloodLimits(ratio=0.5, window=WINDOW, minimum=0))
    assert tally.add([BAD] * 40 + [GOOD] * 60, 0.0) is None
    assert tally.add([BAD] * 40 + [GOOD] * 60, WINDOW / 2) is None
    assert tally.records.total() == 200
    assert tally.add([GOOD], WINDOW) is None
    assert (tally.records.total(), tally.letters.total()) == (101, 40)
    assert tally.add([BAD, BAD], 10 * WINDOW) is not None
    assert (tally.records.total(), tally.letters.total()) == (2, 2)


@given(commits, st.integers(1, 6))
def test_runs_are_as_a_list_of_all_records_has_them(
    stream: list[tuple[float, list[bool]]], most: int
) -> None:
    tally = LetterCount(FloodLimits(consecutive=most))
    seen: list[bool] = []
    for _, outcomes in stream:
        told = tally.add(outcomes, 0.0) is not None
        before = len(seen)
        seen += outcomes
        ends = list(accumulate(seen, lambda run, bad: run + 1 if bad else 0, initial=0))
        assert told == any(run > most for run in ends[before:])
        if told:
            longest = max(len(list(each)) for bad, each in groupby(seen) if bad)
            assert longest > most
            break


@given(commits, st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.integers(0, 20))
def test_the_window_is_as_a_list_of_all_records_has_it(
    stream: list[tuple[float, list[bool]]], ratio: float, minimum: int
) -> None:
    """By buckets exactly; by seconds up to the one bucket by which the window may be shorter."""
    tally = LetterCount(FloodLimits(ratio=ratio, window=WINDOW, minimum=minimum))
    now = 1000.0
    seen: list[tuple[float, bool]] = []
    for passed, outcomes in stream:
        now += passed
        told = tally.add(outcomes, now) is not None
        seen += [(now, bad) for bad in outcomes]
        here = [bad for at, bad in seen if at // WIDTH > now // WIDTH - BUCKETS]
        assert (tally.records.total(), tally.letters.total()) == (len(here), sum(here))
        assert told == (len(here) > minimum and sum(here) > ratio * len(here))
        surely = sum(now - at < WINDOW - WIDTH for at, _ in seen)
        perhaps = sum(now - at < WINDOW for at, _ in seen)
        assert surely <= tally.records.total() <= perhaps


@given(st.lists(st.floats(0, 10 * WINDOW), max_size=300))
def test_memory_is_bounded_by_the_buckets(times: list[float]) -> None:
    tally = LetterCount(FloodLimits(ratio=1.0, window=WINDOW))
    for now in sorted(times):
        tally.add([BAD], now)
        assert len(tally.records) <= BUCKETS


@pytest.mark.parametrize("limits", [FloodLimits(ratio=0.0, minimum=0), FloodLimits(consecutive=1)])
def test_what_was_passed_is_told_by_the_name_of_its_setting(limits: FloodLimits) -> None:
    excess = LetterCount(limits).add([BAD] * 2, 0.0)
    assert excess is not None
    name = excess.text.split("PROCESSOR_")[1].split("=")[0].lower()
    assert name in Settings.model_fields


def test_the_defaults_are_those_of_the_settings() -> None:
    given, limits = Settings(), FloodLimits()
    assert given.max_dead_letter_ratio is limits.ratio is None
    assert given.max_consecutive_dead_letters is limits.consecutive is None
    assert given.dead_letter_window == limits.window
    assert given.dead_letter_minimum == limits.minimum
