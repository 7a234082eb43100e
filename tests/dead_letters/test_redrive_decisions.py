"""What becomes of a letter that is to go back, and how often."""

import pytest
from fakes.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from session_commands import erase

from processor.avro.codec import CommandCodec
from processor.avro.schemas import load_schemas
from processor.core.outcome import Reason, Rejected
from processor.dead_letters.decision import (
    ATTEMPT_HEADER,
    Input,
    Redriven,
    Skip,
    attempts,
    decide,
    stripped,
)
from processor.dead_letters.letter import in_short
from processor.ports.log import Headers, Outgoing, Record, Unreadable
from processor.stages.batch import RejectedRecord
from processor.stages.publish import (
    CUT_HEADER,
    ERROR_HEADERS,
    EVENT_ID_HEADER,
    OFFSET_TO_HEADER,
    TIMESTAMP_HEADER,
    Publish,
)

TO = Input("updates", 4, 3)
_OURS = {
    *ERROR_HEADERS,
    OFFSET_TO_HEADER,
    CUT_HEADER,
    ATTEMPT_HEADER,
    EVENT_ID_HEADER,
    TIMESTAMP_HEADER,
    "session-processor.headers-unreadable",
}
APPENDED = 1_900_000_000_000
"""When a broker wrote the letter, which is its own timestamp."""
FOREIGN = st.lists(
    st.tuples(st.text(max_size=8).filter(lambda name: name not in _OURS), st.none() | st.binary())
)


WHY = Rejected(Reason.UNDECODABLE, "why")


def rejected(record: Record, limit: int = 1_048_588, why: Rejected = WHY) -> Record:
    """Return the dead letter that the service makes of a record."""
    publish = Publish(None, "updates", limit, FakeClock())  # type: ignore[arg-type]  # sends nothing
    letter = publish._dead_letter(RejectedRecord(record, why))
    return sent(letter, APPENDED)


def sent(record: Outgoing, timestamp: int) -> Record:
    return Record(
        record.partition or 0, 7, timestamp, record.key, record.value, tuple(record.headers)
    )


def redriven(letter: Record, to: Input = TO) -> Redriven | Skip:
    return decide(letter, in_short(letter), to, lambda *_: False)


def record(headers: Headers = (), value: bytes | None = b"v") -> Record:
    return Record(3, 5, 1_000, b"1:a", value, headers)


@given(FOREIGN, st.none() | st.binary(), st.none() | st.binary())
def test_a_record_comes_back_as_it_was_but_for_the_counter(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None
) -> None:
    came = Record(3, 5, 1_000, key, value, tuple(headers))
    back = redriven(rejected(came))
    assert isinstance(back, Redriven)
    assert (back.record.partition, back.record.key, back.record.value) == (3, key, value)
    assert back.record.timestamp == -1
    assert list(back.record.headers) == [*headers, (ATTEMPT_HEADER, b"2")]


@given(FOREIGN, st.integers(0, 253_402_300_799_999))
def test_the_time_of_a_letter_is_that_of_its_record(
    headers: list[tuple[str, bytes | None]], timestamp: int
) -> None:
    theirs = (TIMESTAMP_HEADER, b"5")
    came = Record(3, 5, timestamp, b"1:a", b"v", (*headers, theirs))
    letter = rejected(came)
    assert [each for each in letter.headers if each[0] == TIMESTAMP_HEADER] == [
        (TIMESTAMP_HEADER, str(timestamp).encode())
    ]
    assert in_short(letter).timestamp == timestamp
    assert TIMESTAMP_HEADER not in dict(stripped(letter.headers))


def test_a_letter_tells_its_event_and_a_redriven_record_no_longer() -> None:
    theirs = record(((EVENT_ID_HEADER, b"theirs"), ("origin", b"shop")))
    told = rejected(theirs, why=Rejected(Reason.KEY_MISMATCH, "why", event_id="é-1"))
    assert [each for each in told.headers if each[0] == EVENT_ID_HEADER] == [
        (EVENT_ID_HEADER, "é-1".encode())
    ]
    assert in_short(told).event_id == "é-1"
    assert stripped(told.headers) == [("origin", b"shop")]
    untold = rejected(theirs)
    assert EVENT_ID_HEADER not in dict(untold.headers)
    assert in_short(untold).event_id == ""


@pytest.mark.parametrize("told", [None, b"", b"-1", b"soon", b"1" * 20])
def test_a_letter_that_does_not_tell_its_time_has_its_own(told: bytes | None) -> None:
    former = Record(3, 7, APPENDED, b"1:a", b"v", ((TIMESTAMP_HEADER, told),))
    assert in_short(former).timestamp == APPENDED
    without = in_short(rejected(record()._replace(timestamp=-1)))
    assert without.timestamp == APPENDED


@given(FOREIGN, st.integers(1, 6))
def test_an_update_that_fails_again_and_again_is_left_alone(
    headers: list[tuple[str, bytes | None]], most: int
) -> None:
    letter = rejected(record(tuple(headers)))
    for attempt in range(2, most + 1):
        back = redriven(letter, TO._replace(max_attempts=most))
        assert isinstance(back, Redriven)
        assert dict(back.record.headers)[ATTEMPT_HEADER] == str(attempt).encode()
        letter = rejected(sent(back.record, 2_000))
    assert redriven(letter, TO._replace(max_attempts=most)) is Skip.ATTEMPTS
    assert stripped(letter.headers) == headers


@pytest.mark.parametrize("value", [None, b"", b"0", b"-4", b"x", b"\xff", b"1" * 30, b"4 "])
def test_a_counter_that_is_no_number_counts_for_nothing(value: bytes | None) -> None:
    assert attempts([(ATTEMPT_HEADER, value)]) == 1
    assert attempts([(ATTEMPT_HEADER, value), (ATTEMPT_HEADER, b"4")]) == 4


def changed(letter: Record, name: str, value: bytes) -> Record:
    return letter._replace(
        headers=[*(each for each in letter.headers if each[0] != name), (name, value)]
    )


def test_letters_that_cannot_be_sent_are_told_apart() -> None:
    prefix = "__streams.errors."
    letter = rejected(record())
    assert redriven(letter._replace(headers=())) is Skip.NO_ORIGIN
    assert redriven(changed(letter, prefix + "offset", b"-1")) is Skip.NO_ORIGIN
    assert redriven(changed(letter, prefix + "partition", b"two")) is Skip.NO_ORIGIN
    assert redriven(changed(letter, prefix + "partition", "²".encode())) is Skip.NO_ORIGIN
    assert redriven(changed(letter, prefix + "topic", b"other")) is Skip.OTHER_TOPIC
    assert redriven(changed(letter, prefix + "partition", b"4")) is Skip.NO_PARTITION
    assert redriven(rejected(record(value=b"v" * 9_000), limit=8_000)) is Skip.VALUE_CUT
    assert all(skip.why for skip in Skip)


def test_headers_that_could_not_be_read_are_not_sent_as_ours() -> None:
    letter = rejected(record((("session-processor.headers-unreadable", None),)))
    back = redriven(letter)
    assert isinstance(back, Redriven)
    assert back.record.headers == [(ATTEMPT_HEADER, b"2")]


def test_what_stands_for_a_batch_that_cannot_be_unpacked_is_left_alone() -> None:
    letter = rejected(Unreadable(3, 5, 9, "it is spoilt"))
    assert (letter.key, letter.value) == (None, None)
    assert dict(letter.headers)[OFFSET_TO_HEADER] == b"8"
    assert redriven(letter) is Skip.UNREADABLE
    assert in_short(letter).source_offsets == "5 to 8"
    assert in_short(rejected(Unreadable(3, 5, 6, "it is spoilt"))).source_offsets == "5"


def test_an_update_that_says_that_it_stands_for_a_range_does_not() -> None:
    letter = rejected(record(((OFFSET_TO_HEADER, b"99"), ("other", b"1"))))
    assert OFFSET_TO_HEADER not in dict(letter.headers)
    assert in_short(letter).source_offsets == "5"
    assert isinstance(redriven(letter), Redriven)


def test_commands_are_left_alone_unless_they_are_asked_for() -> None:
    commands = TO._replace(left=CommandCodec(load_schemas().commands).is_command)
    letter = rejected(record(value=erase(b"1:a")))
    assert redriven(letter, commands) is Skip.COMMAND
    assert isinstance(redriven(letter), Redriven)
    assert isinstance(redriven(rejected(record()), commands), Redriven)


def test_what_is_older_than_an_erase_is_left_alone() -> None:
    letter = rejected(record())
    asked = []

    def erased(partition: int, key: bytes | None, offset: int) -> bool:
        asked.append((partition, key, offset))
        return True

    assert decide(letter, in_short(letter), TO, erased) is Skip.ERASED
    assert asked == [(3, b"1:a", 5)]
    # Nothing is asked for what is not sent anyway.
    other = TO._replace(topic="other")
    assert decide(letter, in_short(letter), other, erased) is Skip.OTHER_TOPIC
    assert len(asked) == 1
