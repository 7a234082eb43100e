"""`dead-letters summary`: how many there are, of what and when."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, NamedTuple

import typer

from processor.cli.common.documents import record_time
from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import Json, emit, progress_bar, settings_from
from processor.cli.common.reach import answering
from processor.cli.dead_letters.options import LetterOptions
from processor.cli.dead_letters.reading import Letters
from processor.dead_letters.letter import DeadLetter
from processor.ports.instants import iso_time
from processor.telemetry.visible import printable

Span = Literal["hour", "day"]
_LENGTHS_MS: Final = {"hour": 3_600_000, "day": 86_400_000}


class Count(NamedTuple):
    """How many letters, and the times of the first and the last of them."""

    letters: int
    first: int
    last: int


class Summary:
    """Counts letters by reason, partition and time."""

    def __init__(self, by: Span) -> None:
        self._by = by
        self._length = _LENGTHS_MS[by]
        self._counts: dict[tuple[int, str, int], Count] = {}

    def add(self, letter: DeadLetter) -> None:
        """Count one letter."""
        time = letter.timestamp
        place = time // self._length, letter.reason, letter.partition
        letters, first, last = self._counts.get(place, (0, time, time))
        self._counts[place] = Count(letters + 1, min(first, time), max(last, time))

    def rows(self, *, as_json: bool) -> Iterator[dict[str, object]]:
        """Yield a row for each count, the earliest first."""
        for (bucket, reason, partition), count in sorted(self._counts.items()):
            yield {
                self._by: _name(self._by, bucket * self._length),
                "reason": reason if as_json else printable(reason),
                "partition": partition,
                "letters": count.letters,
                "first": record_time(count.first) if as_json else iso_time(count.first),
                "last": record_time(count.last) if as_json else iso_time(count.last),
            }


def _name(span: Span, start: int) -> str:
    """Return how the span that starts there is called: its part of a date, where there is one."""
    text = iso_time(start)
    if not text.endswith("Z"):
        return text
    return f"{text[:13]}Z" if span == "hour" else text[:10]


@takes_blocks
def command(
    ctx: typer.Context,
    *,
    by: Annotated[Span, typer.Option(help="How long a time is counted together.")] = "day",
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
