"""Making a replay's last state of each key the live one.

`Staged` finds what differs, `Promote` publishes it: a generator, as in
`processor.partitions.takeover`, where True is progress and False is waiting.
"""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from processor.errors import FailClosed
from processor.partitions.commit import PositionCommit
from processor.partitions.takeover import Takeover
from processor.ports.clock import Clock
from processor.ports.log import Outgoing, Publication, Record, Subscription, Topic
from processor.replay.compare import ENDED
from processor.replay.spill import scratch
from processor.state.checkpoint import Promoted, Stream
from processor.state.ends import End, end_of

_BATCH: Final = 2_000


class Numbering(NamedTuple):
    """How a snapshot's version is read and replaced."""

    version: Callable[[bytes], int]
    renumbered: Callable[[bytes, int], bytes]


class Staged:
    """Both sides' last snapshot of each key of one partition, on disk. To be closed."""

    def __init__(self, partition: int, output: int, numbering: Numbering) -> None:
        """Take the live output's end, up to which `live` is told it."""
        self.partition = partition
        self.output = output
        self._numbering = numbering
        self._database = scratch()
        self._database.execute(
            "CREATE TABLE last (key BLOB PRIMARY KEY, live BLOB, again BLOB, time INTEGER, "
            "end TEXT) WITHOUT ROWID"
        )

    def live(self, records: Sequence[Record]) -> None:
        """Take what was published live, in its order."""
        self._take(
            "INSERT INTO last (key, live) VALUES (?1, ?2) "
            "ON CONFLICT (key) DO UPDATE SET live = excluded.live",
            [(record.key or b"", _value(record)) for record in records],
        )

    def again(self, records: Sequence[Record]) -> None:
        """Take what the replay published, in its order."""
        self._take(
            "INSERT INTO last (key, again, time, end) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) "
            "DO UPDATE SET again = excluded.again, time = excluded.time, end = excluded.end",
            [
                (record.key or b"", _value(record), record.timestamp, _end(record))
                for record in records
            ],
        )

    def vanishing(self) -> Iterator[bytes]:
        """Yield the keys that live has and the replay has not."""
        told = self._database.execute(
            "SELECT key FROM last WHERE live <> ?1 AND again IS NULL ORDER BY key", (ENDED,)
        )
        for (key,) in told:
            yield key

    def ended(self) -> Iterator[bytes]:
        """Yield the keys that live has ended and the replay has not."""
        told = self._database.execute(
            "SELECT key FROM last WHERE live = ?1 AND again <> ?1 ORDER BY key", (ENDED,)
        )
        for (key,) in told:
            yield key

    def changes(self) -> Iterator[Outgoing]:
        """Yield the replay's snapshot of each key that differs, numbered on from the live one.

        What the replay has ended, and live has not, is ended.
        """
        version, renumbered = self._numbering
        told = self._database.execute(
            "SELECT key, live, again, time, end FROM last WHERE again IS NOT NULL AND "
            "live IS NOT again ORDER BY key"
        )
        for key, live, again, time, ended in told:
            if again == ENDED:
                if live is not None:
                    end = End(*json.loads(ended))._replace(version=version(live))
                    headers = end.headers()
                    yield Outgoing(Topic.SESSIONS, self.partition, time, key, None, headers)
                continue
            value = again
            if live is not None:
                at = version(live)
                if renumbered(live, at) == renumbered(again, at):
                    continue
                value = renumbered(again, at + 1)
            yield Outgoing(Topic.SESSIONS, self.partition, time, key, value, ())

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()

    def _take(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")


def _value(record: Record) -> bytes:
    return ENDED if record.value is None else record.value


def _end(record: Record) -> str | None:
    return None if record.value is not None else json.dumps(end_of(record.headers))


class Promote:
    """Publishes what is staged under the live group's membership, with its offsets unchanged.

    The epoch is one higher in every transaction of one promote, resumed or not: so Redis is rebuilt
    from the output by whoever owns the partition next.
    """

    def __init__(
        self,
        promoted: Promoted,
        *,
        stream: Stream,
        subscription: Subscription,
        publication: Publication,
        takeover: Takeover,
        clock: Clock,
        batch: int = _BATCH,
    ) -> None:
        """Take the parts; a transaction has at most `batch` snapshots."""
        self._promoted = promoted
        self._size = batch
        self._commit = PositionCommit(stream, subscription, publication)
        self._takeover = takeover
        self._clock = clock

    def __call__(self, staged: Staged) -> Generator[bool, None, None]:
        """Bring one partition's differences into the live output.

        Raises what committing raises, and FailClosed where the partition is not as it was staged.
        """
        position = yield from self._takeover.take_over(staged.partition)
        if (position.offset, position.output) != (self._promoted.offset, staged.output):
            raise FailClosed(
                f"partition {staged.partition} has changed meanwhile: nothing was published there",
                hint="Stop every process of the group, then promote again.",
            )
        if position.promoted != self._promoted:
            position = position._replace(epoch=position.epoch + 1, promoted=self._promoted)
        changes = staged.changes()
        batch = list(islice(changes, self._size))
        while True:
            if any(each.value is None for each in batch):
                position = position._replace(commands=True, ended=self._clock.now_ms())
            position = yield from self._commit(staged.partition, position, batch)
            yield True
            batch = list(islice(changes, self._size))
            if not batch:
                return
