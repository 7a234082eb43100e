"""What a promote publishes, and what it refuses: both sides' last record of each key."""

from contextlib import closing

from processor.ports.log import Record
from processor.replay.promote import Numbering, Staged
from processor.state.ends import End, end_of

NUMBERING = Numbering(
    lambda value: int(value.partition(b" ")[0]),
    lambda value, version: b"%d %b" % (version, value.partition(b" ")[2]),
)


def snapshot(key: bytes, value: bytes) -> Record:
    return Record(0, 0, 1_000, key, value, ())


def end(key: bytes, offset: int, version: int, command: str = "erase") -> Record:
    return Record(0, 0, 2_000, key, None, End(command, offset, "e", version).headers())


def staged(live: list[Record], again: list[Record]) -> Staged:
    made = Staged(3, 10, NUMBERING)
    made.live(live)
    made.again(again)
    return made


def test_what_differs_is_numbered_on_and_what_is_equal_is_left() -> None:
    live = [snapshot(b"a", b"7 x"), snapshot(b"b", b"7 x")]
    with closing(staged(live, [snapshot(b"a", b"2 x"), snapshot(b"b", b"2 y")])) as made:
        (change,) = made.changes()
        assert (change.partition, change.key, change.value) == (3, b"b", b"8 y")
        assert [*made.vanishing(), *made.ended()] == []


def test_what_the_replay_ended_is_ended_with_the_live_version() -> None:
    live = [snapshot(b"a", b"7 x")]
    with closing(staged(live, [snapshot(b"a", b"2 x"), end(b"a", 40, 2)])) as made:
        (change,) = made.changes()
        assert (change.key, change.value, change.timestamp) == (b"a", None, 2_000)
        assert end_of(change.headers) == End("erase", 40, "e", 7)
        assert [*made.vanishing(), *made.ended()] == []


def test_what_both_have_ended_or_live_never_had_is_left() -> None:
    live = [snapshot(b"a", b"7 x"), end(b"a", 40, 7)]
    again = [snapshot(b"a", b"2 x"), end(b"a", 41, 2), snapshot(b"b", b"1 x"), end(b"b", 42, 1)]
    with closing(staged(live, again)) as made:
        assert [*made.changes(), *made.vanishing(), *made.ended()] == []


def test_a_session_that_began_again_is_its_last_life() -> None:
    live = [snapshot(b"a", b"7 x"), end(b"a", 40, 7), snapshot(b"a", b"1 x")]
    again = [snapshot(b"a", b"2 x"), end(b"a", 40, 2), snapshot(b"a", b"1 y")]
    with closing(staged(live, again)) as made:
        (change,) = made.changes()
        assert change.value == b"2 y"


def test_what_live_alone_ended_or_has_is_told_to_be_refused() -> None:
    live = [snapshot(b"a", b"7 x"), end(b"a", 40, 7), snapshot(b"b", b"1 x"), end(b"c", 9, 1)]
    with closing(staged(live, [snapshot(b"a", b"2 x")])) as made:
        assert ([*made.vanishing()], [*made.ended()]) == ([b"b"], [b"a"])
