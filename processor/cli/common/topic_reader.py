"""One topic of the settings, read by a command up to the ends that it has for now."""

from collections.abc import Iterator, Sequence
from itertools import chain

from processor.config import Settings
from processor.errors import NotFound
from processor.ports.chunks import Passed, chunks_in
from processor.ports.log import Record, Topic


class TopicReader:
    """Reads what was committed in a topic. Raises what `Scan` and `Coordination` do."""

    def __init__(self, settings: Settings, topic: Topic) -> None:
        from processor.bootstrap.adapters import readers_of

        self._topic = topic
        _, self.coordination, self.scan = readers_of(settings)

    def extents(self, asked: Sequence[int] = ()) -> dict[int, tuple[int, int]]:
        """Return where each partition that is asked for begins, and where it ends for now.

        All are asked for where none is. Raises NotFound.
        """
        count = self.coordination.partitions(self._topic)
        for partition in asked:
            if partition >= count:
                raise NotFound(
                    f"there is no partition {partition}: the topic has {count}",
                    hint=f"partitions are counted from 0 to {count - 1}",
                )
        extents = {}
        for partition in asked or range(count):
            extent = self.coordination.extent(self._topic, partition)
            extents[partition] = extent.start, extent.stable_end
        return extents

    def topic_id(self) -> str:
        """Return the topic's id, which one that is made again under its name does not have."""
        return self.coordination.topic_ids([self._topic])[self._topic]

    def chunks(self, partition: int, start: int, end: int) -> Iterator[Sequence[Record]]:
        """Yield what was committed there, in chunks, some of them empty."""
        return self.scan.read(self._topic, partition, start, end)

    def read(self, partition: int, start: int, end: int, passed: Passed) -> Iterator[Record]:
        """Yield what was committed there; `passed` is told of `end - start` offsets all told."""
        return chain.from_iterable(
            chunks_in(self.chunks(partition, start, end), start, end, passed)
        )

    def all(self) -> Iterator[Record]:
        """Yield all that was committed, by partition and offset."""
        for partition, (start, end) in self.extents().items():
            yield from chain.from_iterable(self.chunks(partition, start, end))
