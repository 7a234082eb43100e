"""From where to where a replay goes: pure decisions."""

import pytest

from processor.errors import InputError, NotFound
from processor.ports.log import Extent
from processor.replay.bounds import RequestedBounds, Standing, bound
from processor.replay.plan import Range


def standing(committed: int | None, start: int = 0, promoted: int = 0) -> Standing:
    return Standing(Extent(start, 1000, 1000), committed, promoted)


def at_time(partition: int, time: int) -> int:
    return time // 10 + partition


LIVE = {0: standing(900), 1: standing(500)}


def test_from_earliest_to_what_the_live_service_has_done() -> None:
    assert bound(RequestedBounds("earliest", None), LIVE, at_time) == (
        {0: Range(0, 900), 1: Range(0, 500)},
        [],
    )


def test_from_a_time_until_a_time() -> None:
    ranges, refused = bound(RequestedBounds(1000, 6000), LIVE, at_time)
    assert ranges == {0: Range(100, 600), 1: Range(101, 500)}
    assert refused == []


def test_a_time_after_all_that_was_done_is_an_empty_range() -> None:
    assert bound(RequestedBounds(9500, None), LIVE, at_time)[0] == {
        0: Range(900, 900),
        1: Range(500, 500),
    }


def test_offsets_leave_other_partitions_out() -> None:
    assert bound(RequestedBounds({1: 20}, {1: 30}), LIVE, at_time) == ({1: Range(20, 30)}, [])


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (RequestedBounds({2: 0}, None), "no partition 2"),
        (RequestedBounds({0: 901}, None), "come to 900"),
        (RequestedBounds({0: 10}, {0: 901}), "come to 900"),
        (RequestedBounds({0: 10}, {0: 9}), "before its start"),
        (RequestedBounds("earliest", {7: 1}), "no partition 7"),
    ],
)
def test_offsets_that_are_not_there_are_refused(asked: RequestedBounds, text: str) -> None:
    with pytest.raises(InputError, match=text):
        bound(asked, LIVE, at_time)


def test_what_was_never_processed_is_left_out() -> None:
    assert bound(RequestedBounds("earliest", None), {0: standing(None), 1: standing(3)}, at_time)[
        0
    ] == {1: Range(0, 3)}
    with pytest.raises(NotFound):
        bound(RequestedBounds("earliest", None), {0: standing(None)}, at_time)


def test_what_expired_is_refused_with_the_earliest_that_is_left() -> None:
    live = {0: standing(900, start=40)}
    (point,) = bound(RequestedBounds({0: 39}, None), live, at_time)[1]
    assert (point.partition, point.earliest) == (0, 40)
    assert "begins at 40" in point.why
    assert bound(RequestedBounds({0: 40}, None), live, at_time)[1] == []


def test_a_time_that_may_have_expired_is_refused_and_earliest_is_not() -> None:
    live = {0: standing(900, start=40)}
    (point,) = bound(RequestedBounds(400, None), live, at_time)[1]
    assert point.earliest == 40
    assert bound(RequestedBounds("earliest", None), live, at_time) == ({0: Range(40, 900)}, [])


def test_nothing_starts_below_the_last_promote() -> None:
    live = {0: standing(900, promoted=300)}
    (point,) = bound(RequestedBounds({0: 299}, None), live, at_time)[1]
    assert point.earliest == 300
    assert bound(RequestedBounds({0: 300}, None), live, at_time)[1] == []
