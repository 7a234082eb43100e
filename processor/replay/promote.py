"""Making a replay's last state of each key the live one.

`Staged` finds what differs, `Promote` publishes it: a generator, as in
`processor.partitions.takeover`, where True is progress and False is waiting.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from processor.errors import FailClosed
from processor.partitions.commit import PositionCommit
from processor.partitions.takeover import Takeover
from processor.ports.log import Outgoing, Publication, Record, Subscription, Topic
from processor.replay.spill import scratch
from processor.state.checkpoint import Promoted, Stream

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
            "CREATE TABLE last (key BLOB PRIMARY KEY, live BLOB, again BLOB, time INTEGER) "
            "WITHOUT ROWID"
        )

    def live(self, records: Sequence[Record]) -> None:
        """Take what was published live, in its order."""
        self._take(
            "INSERT INTO last (key, live) VALUES (?1, ?2) "
            "ON CONFLICT (key) DO UPDATE SET live = excluded.live",
            [(record.key or b"", record.value) for record in records],
        )

    def again(self, records: Sequence[Record]) -> None:
        """Take what the replay published, in its order."""
        self._take(
            "INSERT INTO last (key, again, time) VALUES (?1, ?2, ?3) "
            "ON CONFLICT (key) DO UPDATE SET again = excluded.again, time = excluded.time",
            [(record.key or b"", record.value, record.timestamp) for record in records],
        )

    def vanishing(self) -> Iterator[bytes]:
        """Yield the keys that live has and the replay has not."""
        told = self._database.execute(
            "SELECT key FROM last WHERE live IS NOT NULL AND again IS NULL ORDER BY key"
        )
        for (key,) in told:
            yield key

    def changes(self) -> Iterator[Outgoing]:
        """Yield the replay's snapshot of each key that differs, numbered on from the live one."""
        version, renumbered = self._numbering
        told = self._database.execute(
            "SELECT key, live, again, time FROM last WHERE again IS NOT NULL AND "
            "(live IS NULL OR live <> again) ORDER BY key"
        )
        for key, live, again, time in told:
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
    ) -> None:
        self._promoted = promoted
        self._commit = PositionCommit(stream, subscription, publication)
        self._takeover = takeover

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
        batch = list(islice(changes, _BATCH))
        while True:
            position = yield from self._commit(staged.partition, position, batch)
            yield True
            batch = list(islice(changes, _BATCH))
            if not batch:
                return
