"""`dead-letters summary`: how many there are, of what and when."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import typer

from processor.cli.common.documents import iso_time
from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import Json, emit, progress_bar, settings_from
from processor.cli.common.reach import answering
from processor.cli.common.session_view import printable
from processor.cli.dead_letters.options import LetterOptions
from processor.cli.dead_letters.reading import Letters
from processor.dead_letters.letter import DeadLetter

_HOUR_MS: Final = 3_600_000


class Bucket(StrEnum):
    """How long a time is counted together."""

    HOUR = "hour"
    DAY = "day"

    @property
    def milliseconds(self) -> int:
        """Its length."""
        return _HOUR_MS if self is Bucket.HOUR else 24 * _HOUR_MS

    def name_of(self, start: int) -> str:
        """Return the name of the bucket that starts there."""
        text = iso_time(start)
        if not text.endswith("Z"):
            return text
        return text[:13] + "Z" if self is Bucket.HOUR else text[:10]


class Count(NamedTuple):
    """How many letters, and the times of the first and the last of them."""

    letters: int
    first: int
    last: int

    def with_one(self, timestamp: int) -> "Count":
        """Return the count with one letter more."""
        return Count(self.letters + 1, min(self.first, timestamp), max(self.last, timestamp))


class Summary:
    """Counts letters by reason, partition and time."""

    def __init__(self, by: Bucket) -> None:
        self._by = by
        self._counts: dict[tuple[int, str, int], Count] = {}

    def add(self, letter: DeadLetter) -> None:
        """Count one letter."""
        time = letter.timestamp
        place = time // self._by.milliseconds, letter.reason, letter.partition
        before = self._counts.get(place)
        self._counts[place] = Count(1, time, time) if before is None else before.with_one(time)

    def rows(self, *, as_json: bool) -> Iterator[dict[str, object]]:
        """Yield a row for each count, the earliest first. For programs a time is a number."""
        for (bucket, reason, partition), count in sorted(self._counts.items()):
            yield {
                self._by.value: self._by.name_of(bucket * self._by.milliseconds),
                "reason": reason if as_json else printable(reason),
                "partition": partition,
                "letters": count.letters,
                "first": count.first if as_json else iso_time(count.first),
                "last": count.last if as_json else iso_time(count.last),
            }


@takes_blocks
def command(
    ctx: typer.Context,
    *,
    by: Annotated[Bucket, typer.Option(help="How long a time is counted together.")] = Bucket.DAY,
    letters: LetterOptions,
    as_json: Json = False,
) -> None:
    """Count dead letters by day or hour (UTC), reason and partition, with the first and last time.

    The time of a letter is that of the record that was rejected.

    Example: session-processor dead-letters summary --by hour --from-time 1d
    """
    settings = settings_from(ctx)
    selection = letters.chosen().selection
    summary = Summary(by)
    with answering(), progress_bar(as_json=as_json) as bar:
        for _, letter in Letters(settings).chosen(selection, bar):
            summary.add(letter)
    emit(summary.rows(as_json=as_json), as_json=as_json)
