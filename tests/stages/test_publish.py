"""What is sent of a folded part: timestamps, and letters that fit, however large the record."""

from collections.abc import Mapping, Sequence

import pytest
from avro_bytes import CODECS, SCHEMAS, decode_and_fold
from fakes.clock import FakeClock
from fakes.log import one_by_one
from oracle import HOUR_MS, Entry, Snapshot, expected, timed
from session_commands import erase
from values import NOON, an_update

from processor.avro.codec import UpdateCodec
from processor.avro.compiled import Compiled
from processor.core.outcome import Reason, Rejected
from processor.ports.log import (
    Committed,
    Membership,
    Outgoing,
    Record,
    Topic,
)
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots
from processor.stages.batch import Folded, RejectedRecord
from processor.stages.publish import CUT_HEADER, ERROR_HEADERS, Publish

LIMIT = 20_000


class _Sink:
    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    def identity(self) -> str:
        return "sink"

    def begin(self) -> None:
        pass

    def send(self, records: Sequence[Outgoing], snapshots: Snapshots = NO_SNAPSHOTS) -> None:
        self.sent += [*one_by_one(snapshots), *records]

    def flush(self) -> dict[int, int]:
        return {}

    def commit(self, offsets: Mapping[int, Committed], membership: Membership) -> None:
        pass

    def abort(self) -> None:
        pass

    def replace(self) -> None:
        pass

    def close(self) -> None:
        pass


def _letter(key: bytes, value: bytes, header: bytes) -> Outgoing:
    sink = _Sink()
    record = Record(3, 17, 99, key, value, (("origin", header),))
    letter = RejectedRecord(record, Rejected(Reason.UNDECODABLE, "it is nothing"))
    folded = Folded(letters=[letter], taken=1)
    Publish(sink, "updates", LIMIT, FakeClock())(folded)
    (sent,) = sink.sent
    assert [name for name, _ in sent.headers if name in ERROR_HEADERS] == list(ERROR_HEADERS)
    return sent


def test_what_fits_is_untouched() -> None:
    sent = _letter(b"k", b"v" * 15_000, b"h")
    assert (sent.key, sent.value, sent.headers[0]) == (b"k", b"v" * 15_000, ("origin", b"h"))
    assert CUT_HEADER not in dict(sent.headers)


def test_a_value_that_does_not_fit_is_told_by_its_length() -> None:
    sent = _letter(b"k", b"v" * 50_000, b"h")
    assert (sent.key, sent.value, sent.headers[0]) == (b"k", None, ("origin", b"h"))
    assert dict(sent.headers)[CUT_HEADER] == b"50000"


def test_headers_and_a_key_that_do_not_fit_go_too() -> None:
    assert "origin" not in dict(_letter(b"k", b"v", b"h" * 50_000).headers)
    assert _letter(b"k" * 50_000, b"v", b"h").key is None


def test_timestamps_are_the_records_and_at_most_an_hour_ahead() -> None:
    """One of the year 9999 would stop compaction and retention of all that is behind it."""
    times = [NOON - 1, -1, 0, NOON + HOUR_MS, NOON + HOUR_MS + 1, 253_402_300_799_999]
    values = [
        UpdateCodec(SCHEMAS.updates).write(an_update(event_id=f"e{at}", offset=at))
        for at in range(len(times))
    ]
    times.append(times[-1])
    values.append(erase(b"7:visit"))
    records = [
        Record(0, at, time, b"7:visit", value, ())
        for at, (time, value) in enumerate(zip(times, values, strict=True))
    ]
    decode, fold = decode_and_fold(None, LIMIT)
    folded = fold(records, decode(records), {0: {b"7:visit": None}}, {})
    sink = _Sink()
    Publish(sink, "updates", LIMIT, FakeClock(day_ms=NOON))(folded)
    sent = [each for each in sink.sent if each.topic is Topic.SESSIONS]
    told = [Snapshot.of(each) for each in sent]
    wanted = expected([Entry(*each[1:]) for each in records], None).snapshots
    assert told == timed(wanted, told, NOON)
    assert [each.timestamp for each in sent] == [*times[:4], NOON, NOON, NOON]


CONTEXT = [
    ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
    ("tracestate", b"vendor=1"),
]


@pytest.mark.parametrize("compiled", CODECS)
def test_a_snapshot_has_the_trace_context_of_its_record_and_a_letter_all_headers(
    compiled: Compiled | None,
) -> None:
    """An end has its own headers alone."""
    own = [("producer", b"checkout"), *CONTEXT]
    huge = [CONTEXT[0], ("tracestate", b"v" * 5_000)]
    update = UpdateCodec(SCHEMAS.updates)
    values = [update.write(an_update(event_id=f"e{at}", offset=at)) for at in range(3)]
    wrong = update.write(an_update(event_id="", offset=3))
    records = [
        Record(0, at, NOON, b"7:visit", value, headers)
        for at, (value, headers) in enumerate(
            zip([*values, wrong, erase(b"7:visit")], [(), own, huge, own, own], strict=True)
        )
    ]
    decode, fold = decode_and_fold(compiled, LIMIT)
    sink = _Sink()
    folded = fold(records, decode(records), {0: {b"7:visit": None}}, {})
    Publish(sink, "updates", LIMIT, FakeClock(day_ms=NOON))(folded)
    *snapshots, end = [each for each in sink.sent if each.topic is Topic.SESSIONS]
    assert [list(each.headers) for each in snapshots] == [[], CONTEXT, CONTEXT[:1]]
    assert {name for name, _ in end.headers}.isdisjoint({"traceparent", "tracestate", "producer"})
    (letter,) = [each for each in sink.sent if each.topic is Topic.DEAD_LETTERS]
    assert list(letter.headers)[: len(own)] == own
