"""Publish: what a folded part says, into the open transaction."""

from collections.abc import Iterable
from itertools import chain
from typing import Final

from processor.core.trace_context import passed_on
from processor.ports.clock import Clock
from processor.ports.log import NO_TIMESTAMP, Headers, Outgoing, Publication, Topic, Unreadable
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots
from processor.stages.batch import Folded, RejectedRecord

ERROR_HEADERS: Final = tuple(
    "__streams.errors." + name
    for name in ("exception", "message", "stacktrace", "topic", "partition", "offset")
)
"""KIP-1034's headers, in the order in which a dead letter carries them."""
CUT_HEADER: Final = "session-processor.value-bytes"
"""Tells the length of a value that was too long to be kept in a dead letter."""
OFFSET_TO_HEADER: Final = "session-processor.offset-to"
"""Tells the last offset of the range that a dead letter without key and value stands for."""
TIMESTAMP_HEADER: Final = "session-processor.timestamp"
"""Tells the timestamp of the record that was rejected, in milliseconds since 1970: brokers may give
dead letters their own."""
EVENT_ID_HEADER: Final = "session-processor.event-id"
"""Tells the event id of what was rejected, where it can be read."""
ADDED_HEADERS: Final = (*ERROR_HEADERS, OFFSET_TO_HEADER, TIMESTAMP_HEADER, EVENT_ID_HEADER)
"""What a letter may have that its record had not; of these names it has no other."""
_OVERHEAD: Final = 1_024
"""What a batch of one record has besides the record's parts, generously."""
FORMAT_HEADER: Final = "format"
_CLAIM: Final = ((FORMAT_HEADER, b"1"),)
"""A claim's headers."""
_HEADER_LIMIT: Final = 4_096
AHEAD_MS: Final = 3_600_000
"""How far a snapshot's timestamp may be ahead. Kafka neither compacts nor expires a segment before
its latest timestamp is old: one of the year 9999 would hold up all that is behind it."""


class Publish:
    """Publishes what became of one topic's updates."""

    def __init__(
        self, publication: Publication, updates_topic: str, max_letter: int, clock: Clock
    ) -> None:
        """Take the largest size of a dead letter, in bytes before compression."""
        self._publication = publication
        self._clock = clock
        self._updates_topic = updates_topic
        self._max_letter = max_letter - _OVERHEAD

    def __call__(self, part: Folded) -> None:
        """Send snapshots, dead letters and claims; the brokers take them meanwhile."""
        records = [self._dead_letter(letter) for letter in part.letters]
        for key, holder in chain(part.claims.items(), part.ended_claims.items()):
            value = None if holder is None else holder.encode()
            records.append(Outgoing(Topic.CLAIMS, None, NO_TIMESTAMP, key.encode(), value, _CLAIM))
        self._publication.send(records, self._snapshots(part))

    def _snapshots(self, part: Folded) -> Snapshots:
        if not part.accepted:
            return NO_SNAPSHOTS
        partitions, _, timestamps, keys, _, headers = zip(*part.accepted, strict=True)
        now = self._clock.now_ms()
        latest = now + AHEAD_MS
        if max(timestamps) > latest:
            timestamps = tuple(each if each <= latest else now for each in timestamps)
        if any(headers) or part.ends:
            headers = tuple(
                part.ends[at] if at in part.ends else passed_on(each)
                for at, each in enumerate(headers)
            )
        return Snapshots(partitions, timestamps, keys, part.snapshots, headers)

    def _dead_letter(self, letter: RejectedRecord) -> Outgoing:
        record = letter.record
        key, value = record.key, record.value
        foreign = list(_foreign(record.headers))
        errors = self._error_headers(letter)
        room = self._max_letter - _length(errors)
        if len(key or b"") + len(value or b"") + _length(foreign) > room:
            # The sender's compression carried more than a topic takes: the record is read where
            # the headers say it stands, for as long as the input is kept.
            value = None
            foreign = foreign if len(key or b"") + _length(foreign) <= room else []
            key = key if len(key or b"") <= room else None
            errors.append((CUT_HEADER, str(len(record.value or b"")).encode()))
        return Outgoing(
            Topic.DEAD_LETTERS,
            record.partition,
            record.timestamp,
            key,
            value,
            [*foreign, *errors],
        )

    def _error_headers(self, letter: RejectedRecord) -> list[tuple[str, bytes]]:
        record, rejected = letter
        texts = (
            str(rejected.reason),
            rejected.message,
            "",
            self._updates_topic,
            str(record.partition),
            str(record.offset),
        )
        headers = [(name, _cut(text)) for name, text in zip(ERROR_HEADERS, texts, strict=True)]
        if isinstance(record, Unreadable):
            headers.append((OFFSET_TO_HEADER, str(record.end - 1).encode()))
        if record.timestamp != NO_TIMESTAMP:
            headers.append((TIMESTAMP_HEADER, str(record.timestamp).encode()))
        if rejected.event_id:
            headers.append((EVENT_ID_HEADER, _cut(rejected.event_id)))
        return headers


def _foreign(headers: Headers) -> Iterable[tuple[str, bytes | None]]:
    """Return the headers that the record came with, without those of an earlier rejection."""
    return (header for header in headers if header[0] not in ADDED_HEADERS)


def _length(headers: Headers) -> int:
    return sum(len(name) * 4 + len(value or b"") + 16 for name, value in headers)


def _cut(text: str) -> bytes:
    """Return the text as at most 4 KiB of UTF-8, whole characters only."""
    cut = text.encode(errors="backslashreplace")[:_HEADER_LIMIT]
    return cut.decode(errors="ignore").encode()
