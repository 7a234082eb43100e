"""What a replay published beside what was published live, of one partition, on disk where it must.

Snapshots and ends are paired by key and input offset; of several of a pair the one written last
counts.
`version` and the memory of event ids are not compared: a replay may number and remember otherwise.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from processor.ports.log import Record
from processor.replay.exact import FORMER, Seen
from processor.replay.plan import Range
from processor.replay.spill import scratch
from processor.state.ends import end_of

IGNORED: Final = frozenset({"version", "eventMemory"})
_LIVE: Final = 0
_AGAIN: Final = 1
_LATER: Final = 2
"""Of a live snapshot past the end: it lets compaction remove the one that is compared."""

ENDED: Final = b""
"""What stands for the value of a tombstone: no snapshot is empty."""

Row = tuple[int, int, int, bool, bytes | None]
"""An input offset, a side, a version, whether it is an end, and a value if it is compared."""


class DifferenceKind(StrEnum):
    """What became of a pair."""

    EQUAL = "equal"
    CHANGED = "changed"
    MISSING = "missing"
    """Published live, and not by the replay."""
    EXTRA = "extra"
    """Published by the replay, and not live."""
    COMPACTED = "compacted"
    """Published by the replay; live, a gap in `version` or an end after it says that compaction
    removed it."""


class Difference(NamedTuple):
    """A pair that is not equal; for a changed one, each field's live value and the replay's."""

    kind: DifferenceKind
    key: bytes
    offset: int
    fields: Mapping[str, tuple[object, object]]


class Comparison:
    """Takes both sides of one partition, then tells how they differ. To be closed."""

    def __init__(
        self,
        bounds: Range,
        seen: Callable[[bytes], Seen],
        fields: Callable[[bytes], Mapping[str, object]],
        *,
        last_only: bool,
        former: tuple[int, int] = (0, 0),
    ) -> None:
        """Take what reads a snapshot's offset and version, and all of its fields.

        `last_only` compares each key's last state below the end, as is right once the replay was
        made live: what was published before then stays as it was. Snapshots below `former`, an
        output offset of live and one of the replay, answer a former input: they are no pairs.
        """
        self._bounds = bounds
        self._seen = seen
        self._fields = fields
        self._last_only = last_only
        self._former = former
        self.counts: Counter[DifferenceKind] = Counter()
        self._database = scratch()
        self._database.execute(
            "CREATE TABLE snapshot (key BLOB, slot INTEGER, side INTEGER, at INTEGER, version "
            "INTEGER, ends INTEGER, value BLOB, PRIMARY KEY (key, slot, side)) WITHOUT ROWID"
        )

    def live(self, records: Sequence[Record]) -> None:
        """Take what was published live, in its order."""
        self._take(records, _LIVE)

    def again(self, records: Sequence[Record]) -> None:
        """Take what the replay published, in its order."""
        self._take(records, _AGAIN)

    def differences(self) -> Iterator[Difference]:
        """Yield what is not equal, by key and offset; `counts` is whole at the end."""
        told = self._database.execute(
            "SELECT key, at, side, version, ends, value FROM snapshot ORDER BY key, slot, side"
        )
        key: bytes | None = None
        rows: list[Row] = []
        for found, *row in told:
            if found != key:
                yield from self._of(key or b"", rows)
                key, rows = found, []
            rows.append(tuple(row))
        yield from self._of(key or b"", rows)

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()

    def _take(self, records: Sequence[Record], side: int) -> None:
        rows = []
        for record in records:
            value = record.value
            if value is not None:
                offset, version = self._seen(value)
            elif (end := end_of(record.headers)) is not None:
                # It counts as the snapshot after the one that it ended.
                offset, version, value = end.input_offset, end.version + 1, ENDED
            else:
                continue
            if record.offset < self._former[side]:
                offset = FORMER
            compared = offset < self._bounds.end and (
                self._last_only or offset >= self._bounds.start
            )
            if not compared and side == _AGAIN:
                continue
            slot = 0 if self._last_only else offset
            as_side = _LATER if self._last_only and not compared else side
            held = value if compared else None
            ends = value == ENDED
            rows.append((record.key or b"", slot, as_side, offset, version, ends, held))
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO snapshot VALUES (?,?,?,?,?,?,?)", rows)
        self._database.execute("COMMIT")

    def _of(self, key: bytes, rows: Sequence[Row]) -> Iterator[Difference]:
        if self._last_only:
            yield from self._last(key, rows)
            return
        known = 0
        alone: list[int] = []
        live: Row | None = None
        for row in rows:
            offset, side, version, ends, value = row
            if side == _LIVE:
                if live is not None:
                    yield from self._count(DifferenceKind.MISSING, key, live[0])
                # One that is not above the last is of another life: all between has ended.
                gone = len(alone) if version <= known else version - known - 1
                yield from self._alone(key, alone, gone)
                alone, known = [], 0 if ends else max(known, version)
                live = row if value is not None else None
            elif live is not None and live[0] == offset:
                yield from self._pair(key, offset, live[4] or b"", value or b"")
                live = None
            else:
                if live is not None:
                    yield from self._count(DifferenceKind.MISSING, key, live[0])
                    live = None
                alone.append(offset)
                if ends and not known:
                    # A whole life may be compacted away, and its end after that.
                    yield from self._alone(key, alone, len(alone))
                    alone = []
        if live is not None:
            yield from self._count(DifferenceKind.MISSING, key, live[0])
        yield from self._alone(key, alone, 0)

    def _alone(self, key: bytes, offsets: Sequence[int], gone: int) -> Iterator[Difference]:
        """Tell of what only the replay published; `gone` live ones were removed around there."""
        for place, offset in enumerate(offsets):
            yield from self._count(
                DifferenceKind.COMPACTED if place < gone else DifferenceKind.EXTRA, key, offset
            )

    def _last(self, key: bytes, rows: Sequence[Row]) -> Iterator[Difference]:
        by_side = {row[1]: row for row in rows}
        live, again = by_side.get(_LIVE), by_side.get(_AGAIN)
        if live is not None and again is not None:
            yield from self._pair(key, again[0], live[4] or b"", again[4] or b"")
        elif live is not None:
            yield from self._count(DifferenceKind.MISSING, key, live[0])
        elif again is not None:
            gone = _LATER in by_side or again[3]
            later = DifferenceKind.COMPACTED if gone else DifferenceKind.EXTRA
            yield from self._count(later, key, again[0])

    def _pair(self, key: bytes, offset: int, live: bytes, again: bytes) -> Iterator[Difference]:
        if ENDED in {live, again} and live != again:
            kind = DifferenceKind.EXTRA if live == ENDED else DifferenceKind.MISSING
            yield from self._count(kind, key, offset)
            return
        changed: dict[str, tuple[object, object]] = {}
        if live != again:
            old, new = self._fields(live), self._fields(again)
            changed = {
                name: (old[name], new[name])
                for name in old
                if name not in IGNORED and old[name] != new[name]
            }
        self.counts[DifferenceKind.CHANGED if changed else DifferenceKind.EQUAL] += 1
        if changed:
            yield Difference(DifferenceKind.CHANGED, key, offset, changed)

    def _count(self, kind: DifferenceKind, key: bytes, offset: int) -> Iterator[Difference]:
        self.counts[kind] += 1
        if kind is not DifferenceKind.COMPACTED:
            yield Difference(kind, key, offset, {})
