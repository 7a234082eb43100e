"""A redrive, from where it stands to its end: read, choose, decide, deliver."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple, Protocol

from processor.dead_letters.decision import Input, Redriven, Skip, decide
from processor.dead_letters.letter import in_short
from processor.dead_letters.progress import RedrivePositions, committed, going_on
from processor.dead_letters.selection import Selection
from processor.errors import UnpublishableError
from processor.ports.chunks import chunks_in
from processor.ports.clock import Clock
from processor.ports.log import Committed, Outgoing, Record

_BATCH: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024


Deliver = Callable[[Sequence[Outgoing], Mapping[int, Committed], Mapping[int, Committed]], None]
"""Sends records and moves the positions from the first to the second, together or not at all.

Raises UnpublishableError where nothing was sent.
"""


Read = Callable[[int, int, int], Iterator[Sequence[Record]]]
"""Yields the letters of a partition between two offsets, in chunks, some of them empty."""


class Sender(Protocol):
    """Sends to the input under a redrive's name. Opening it ends what a former one had open."""

    def open(self) -> None:
        """Take the name over."""

    def positions(self, partitions: Iterable[int], *, stable: bool = True) -> dict[int, Committed]:
        """Return what is committed; unless `stable`, a commit on its way is not waited for."""

    def send(
        self,
        records: Sequence[Outgoing],
        before: Mapping[int, Committed],
        after: Mapping[int, Committed],
    ) -> None:
        """Deliver."""


class Erases(Protocol):
    """What was erased."""

    def covers(self, partition: int, key: bytes | None, offset: int, /) -> bool:
        """Whether the key was erased behind this offset of the input partition."""

    def read_on(self) -> None:
        """Have what was published meanwhile looked at before the next answer."""


def begun(
    name: str, fresh: RedrivePositions, sender: Sender, partitions: Iterable[int], *, send: bool
) -> tuple[RedrivePositions, bool]:
    """Return where a redrive stands, and whether it was begun before; with `send`, take it over.

    `fresh` is where it begins if it is new. Raises what `going_on` does.
    """
    every = [*partitions]
    known = sender.positions(every, stable=False)
    positions = going_on(name, known, fresh)
    if send:
        sender.open()  # not before the name is known to be this selection's
        known = sender.positions(every)
        positions = going_on(name, known, fresh)
        if not known:  # freezes the ends of all partitions before the first letter goes
            sender.send((), {}, committed(positions))
    return positions, bool(known)


class RateLimit:
    """Keeps deliveries to a rate, by waiting between them; without a rate never waits."""

    def __init__(self, rate: float | None, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._next = clock.monotonic()

    @property
    def batch(self) -> int:
        """How many letters go into one transaction: what a second has room for, at the most."""
        return _BATCH if self._rate is None else max(1, min(_BATCH, int(self._rate)))

    def delivered(self, letters: int) -> None:
        """Wait for as long as so many letters take at the rate."""
        if self._rate is None:
            return
        self._next = max(self._next, self._clock.monotonic() - 1) + letters / self._rate
        self._clock.wait(max(0.0, self._next - self._clock.monotonic()))


class RedriveCounts(NamedTuple):
    """What became of the chosen letters."""

    sent: Counter[tuple[str, int]]
    """By reason, and by the partition that they went to."""
    skipped: Counter[Skip]
    refused: list[str]
    """The places of those that the broker refuses."""


@dataclass(slots=True, kw_only=True)
class Redrive:
    """One run of a redrive. A dry run delivers to nowhere, and tells what would be sent."""

    read: Read
    selection: Selection
    to: Input
    erases: Erases
    positions: RedrivePositions
    deliver: Deliver
    pace: RateLimit
    on_progress: Callable[[int], None]
    """Told how many offsets were passed, each time some were."""
    tally: RedriveCounts = field(default_factory=lambda: RedriveCounts(Counter(), Counter(), []))

    def run(self) -> RedriveCounts:
        """Bring every partition to its end, in the order of the letters."""
        for partition, position in self.positions.items():
            if position.left:
                self._drive(partition)
        return self.tally

    def _drive(self, partition: int) -> None:
        end = self.positions[partition].mark.end
        batch: list[Redriven] = []
        size = 0
        for record in self._records(partition):
            letter = in_short(record)
            if not self.selection.chooses(letter):
                continue
            decided = decide(record, letter, self.to, self.erases.covers)
            if isinstance(decided, Skip):
                self.tally.skipped[decided] += 1
                continue
            batch.append(decided)
            size += letter.size
            if len(batch) == self.pace.batch or size > _BATCH_BYTES:
                self._send(partition, batch, record.offset + 1)
                batch, size = [], 0
        self._send(partition, batch, end)

    def _records(self, partition: int) -> Iterator[Record]:
        offset, mark = self.positions[partition]
        meant = self.selection.within(partition, offset, mark.end)
        chunks = self.read(partition, *meant) if meant else ()
        return chain.from_iterable(chunks_in(chunks, offset, mark.end, self.on_progress))

    def _send(self, partition: int, batch: Sequence[Redriven], offset: int) -> None:
        """Send a batch and move the position to the offset.

        What a broker refuses is found by halves, since it refuses a batch as one.
        """
        before = self.positions[partition]
        if not batch and before.offset == offset:
            return
        after = {**self.positions, partition: before.moved(offset, len(batch))}
        try:
            self.deliver(
                [each.record for each in batch], committed(self.positions), committed(after)
            )
        except UnpublishableError:
            if len(batch) > 1:
                half = len(batch) // 2
                self._send(partition, batch[:half], batch[half - 1].letter.offset + 1)
                self._send(partition, batch[half:], offset)
                return
            if not batch:
                raise
            self.tally.skipped[Skip.REFUSED] += 1
            self.tally.refused.append(batch[0].letter.place)
            self._send(partition, (), offset)
            return
        self.positions = after
        self.tally.sent.update((each.letter.reason, each.record.partition or 0) for each in batch)
        self.pace.delivered(len(batch))
        self.erases.read_on()
