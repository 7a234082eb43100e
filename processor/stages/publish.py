"""Publish: a folded batch and its input offsets, in one transaction. Kafka ends here."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from processor.batch import Folded, Letter
from processor.ports.log import Committed, Headers, Membership, Outgoing, Publication, Topic
from processor.stream import FORMAT

ERROR_HEADERS: Final = tuple(
    "__streams.errors." + name
    for name in ("exception", "message", "stacktrace", "topic", "partition", "offset")
)
"""KIP-1034's headers, in the order in which a dead letter carries them."""
FORMAT_HEADER: Final = "format"
_HEADER_LIMIT: Final = 4_096
_NO_TIMESTAMP: Final = -1


class Publish:
    """Publishes batches of one topic's updates."""

    def __init__(self, publication: Publication, updates_topic: str) -> None:
        self._publication = publication
        self._updates_topic = updates_topic

    def __call__(
        self,
        batch: Folded,
        offsets: Callable[[Mapping[int, int]], Mapping[int, Committed]],
        membership: Membership,
        still_holds: Callable[[], None],
    ) -> None:
        """Commit a batch, all or nothing.

        1. The snapshots, dead letters and claims are sent and flushed.
        2. `still_holds` is asked, and raises if what the batch was folded upon is gone.
        3. `offsets` makes the input offsets with their metadata out of the next output offsets.
        4. All is committed under the membership that the records were fetched under.

        Whatever is raised, the caller aborts.
        """
        publication = self._publication
        publication.begin()
        publication.send(self._outgoing(batch))
        ends = publication.flush()
        still_holds()
        publication.commit(offsets(ends), membership)

    def _outgoing(self, batch: Folded) -> list[Outgoing]:
        records = [
            Outgoing(
                Topic.SESSIONS,
                snapshot.record.partition,
                snapshot.record.timestamp,
                snapshot.record.key,
                snapshot.value,
                (),
            )
            for snapshot in batch.snapshots
        ]
        records.extend(self._dead_letter(letter) for letter in batch.letters)
        records.extend(
            Outgoing(
                Topic.CLAIMS,
                None,
                _NO_TIMESTAMP,
                profile.encode(),
                holder.encode(),
                ((FORMAT_HEADER, str(FORMAT).encode()),),
            )
            for profile, holder in batch.claims.items()
        )
        return records

    def _dead_letter(self, letter: Letter) -> Outgoing:
        record = letter.record
        return Outgoing(
            Topic.DEAD_LETTERS,
            record.partition,
            record.timestamp,
            record.key,
            record.value,
            [*_foreign(record.headers), *self._error_headers(letter)],
        )

    def _error_headers(self, letter: Letter) -> list[tuple[str, bytes]]:
        record, rejected = letter
        texts = (
            str(rejected.reason),
            rejected.message,
            "",
            self._updates_topic,
            str(record.partition),
            str(record.offset),
        )
        return [(name, _cut(text)) for name, text in zip(ERROR_HEADERS, texts, strict=True)]


def _foreign(headers: Headers) -> Iterable[tuple[str, bytes | None]]:
    """Return the headers that the record came with, without those of an earlier rejection."""
    return (header for header in headers if header[0] not in ERROR_HEADERS)


def _cut(text: str) -> bytes:
    """Return the text as at most 4 KiB of UTF-8, whole characters only."""
    cut = text.encode(errors="backslashreplace")[:_HEADER_LIMIT]
    return cut.decode(errors="ignore").encode()
