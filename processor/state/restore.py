"""Restoring: bringing what Redis holds to what the output topic says.

Generators, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from processor.ports.clock import Clock
from processor.ports.latest import LatestScan
from processor.ports.log import Topic
from processor.ports.sessions import SessionCache, Stamp, Write
from processor.state.checkpoint import Checkpoint, ForeignText, Position, Stream

AT_ONCE: Final = 4
"""Partitions restored at the same time: each has a consumer with its own fetch queue."""
_CLOCKS_DIFFER_MS: Final = 60_000
"""By how much the clocks of two machines may differ."""
_WRITE_BYTES: Final = 2 * 1024 * 1024
"""Snapshots that are written at once: the server does nothing else for a few milliseconds."""


class _Part(NamedTuple):
    """Snapshots by key up to an output offset, None for a deleted one; `moved`: some were read."""

    end: int
    snapshots: dict[bytes, bytes | None]
    moved: bool


class RestoreProgress(Protocol):
    """Who is told how a restore gets on."""

    def rebuilding(self, partition: int) -> None:
        """Take note that what stands in Redis cannot be read on from."""

    def restoring(self, partition: int, done: int, total: int) -> None:
        """Take offsets done and offsets to do; equal when the partition is restored."""


@dataclass(slots=True, kw_only=True)
class Restore:
    """Restores partitions, as docs/adr/0001-truth-in-the-output-topic.md says.

    Snapshots are copied as bytes.
    """

    stream: Stream
    cache: SessionCache
    scan: LatestScan
    progress: RestoreProgress
    clock: Clock
    tombstones_kept_ms: Callable[[], int]
    """Asks for the output's `delete.retention.ms`: it may be changed while this runs."""
    _active: int = 0

    def checkpoint(self, position: Position, owner: str, filled: int = -1) -> Checkpoint:
        """Return the checkpoint of a cache that stands at a position."""
        return Checkpoint(
            cluster=self.stream.cluster,
            updates=self.stream.updates,
            sessions=self.stream.sessions,
            epoch=position.epoch,
            owner=owner,
            offset=position.offset,
            output=position.output,
            written=self.clock.now_ms(),
            filled=filled,
        )

    def __call__(
        self, partition: int, position: Position, owner: str
    ) -> Generator[bool, None, Stamp]:
        """Bring a partition's cache to `position`, fenced by `owner`; return its stamp.

        What stands is used if it is of this stream and epoch and not ahead: the output is read on
        from there. Anything else is rebuilt beside it. Raises CacheLost where another owner wrote
        meanwhile or Redis lost data, and CacheUnavailable: then it is to be called again.
        """
        while self._active >= AT_ONCE:
            yield False
        self._active += 1
        try:
            stamp = self.cache.read(partition)
            found = None if stamp is None else self._usable(stamp, position)
            if stamp is None or found is None:
                return (yield from self._rebuild(partition, position, owner))
            self.cache.drop_unfinished(partition)
            return (yield from self._catch_up(partition, position, owner, stamp, found))
        finally:
            self._active -= 1

    def _usable(self, stamp: Stamp, position: Position) -> Checkpoint | None:
        """Return the checkpoint, if what it says can be read on from."""
        try:
            found = Checkpoint.decode(stamp.checkpoint)
        except ForeignText:
            return None
        here = self.stream
        ours = (here.cluster, here.updates, here.sessions, position.epoch)
        same = (found.cluster, found.updates, found.sessions, found.epoch) == ours
        ahead = found.offset > position.offset or found.output > position.output
        whole = found.filled < 0
        if not same or not whole or ahead:
            return None
        return found if found.output == position.output or self._is_young(found) else None

    def _is_young(self, found: Checkpoint) -> bool:
        """Whether compaction has removed no tombstone yet that was written since.

        It would leave its session in the cache. A checkpoint that was written in the future was
        written by a wrong clock: it may be old.
        """
        age = self.clock.now_ms() - found.written
        return -_CLOCKS_DIFFER_MS < age < self.tombstones_kept_ms() // 2

    def _catch_up(
        self, partition: int, position: Position, owner: str, stamp: Stamp, found: Checkpoint
    ) -> Generator[bool, None, Stamp]:
        """Read the output on from the checkpoint, into the current generation."""
        mine = found._replace(owner=owner)
        stamp = self._write(partition, stamp, mine, {})
        for part in self._snapshots(partition, found.output, position.output):
            if part.snapshots:
                mine = mine._replace(output=part.end)
                stamp = self._write(partition, stamp, mine, part.snapshots)
            yield part.moved
        return self._write(partition, stamp, self.checkpoint(position, owner), {})

    def _rebuild(
        self, partition: int, position: Position, owner: str
    ) -> Generator[bool, None, Stamp]:
        """Read the whole output into a fresh generation, then make it the current one."""
        self.progress.rebuilding(partition)
        filling = self.checkpoint(position, owner, filled=0)
        stamp = self.cache.begin(partition, filling.encode())
        for part in self._snapshots(partition, 0, position.output):
            if part.snapshots:
                filling = filling._replace(filled=filling.filled + 1)
                write = Write(stamp, filling.encode(), part.snapshots)
                self.cache.fill(partition, write)
                stamp = Stamp(stamp.generation, write.checkpoint)
            yield part.moved
        complete = self.checkpoint(position, owner)
        return self.cache.flip(partition, stamp, complete.encode())

    def _snapshots(self, partition: int, start: int, end: int) -> Generator[_Part, None, None]:
        """Yield the output in parts to write, with the last snapshot of each key.

        A key's snapshots stand close together: the more are read before a write, the fewer are
        written. Between two writes it yields parts without snapshots, for who waits.
        """
        self.progress.restoring(partition, 0, end - start)
        last: dict[bytes, bytes | None] = {}
        size, done = 0, start
        for read, found in self.scan.latest(Topic.SESSIONS, partition, start, end):
            if read is not None:
                size += _size(found) - _size({key: last[key] for key in last.keys() & found.keys()})
                last |= found
                done = read
                self.progress.restoring(partition, done - start, end - start)
            if size > _WRITE_BYTES or read is None:
                yield _Part(done, last, moved=read is not None)
                last, size = {}, 0
            else:
                yield _Part(done, {}, moved=True)
        if last:
            yield _Part(done, last, moved=True)
        self.progress.restoring(partition, end - start, end - start)

    def _write(
        self,
        partition: int,
        stamp: Stamp,
        checkpoint: Checkpoint,
        snapshots: dict[bytes, bytes | None],
    ) -> Stamp:
        write = Write(stamp, checkpoint.encode(), snapshots)
        self.cache.write({partition: write})
        return Stamp(stamp.generation, write.checkpoint)


def _size(snapshots: Mapping[bytes, bytes | None]) -> int:
    return sum(map(len, snapshots)) + sum(map(len, filter(None, snapshots.values())))
