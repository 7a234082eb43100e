"""The life of a partition up to its first record.

A generator, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Callable, Generator

from processor.partitions.takeover import Takeover
from processor.state.checkpoint import Owned, Position
from processor.state.restore import Restore

Prepare = Callable[[int, Position], Generator[bool, None, Position]]
"""Does what is to be done with a partition between taking it over and restoring it."""


class Acquire:
    """Makes assigned partitions this process's own, one call a partition."""

    def __init__(
        self,
        *,
        takeover: Takeover,
        prepare: Prepare,
        describe: Callable[[], None],
        restore: Restore,
        identity: Callable[[], str],
    ) -> None:
        """Take the steps; `identity` returns the transactional id in use."""
        self._takeover = takeover
        self._prepare = prepare
        self._describe = describe
        self._restore = restore
        self._identity = identity

    def __call__(self, partition: int) -> Generator[bool, None, Owned]:
        """Own a partition; return its position and its cache's stamp.

        1. It is taken over from whoever held it.
        2. It is prepared: a replay copies its starting state there.
        3. Redis is told how to read what will stand there.
        4. Its cache is brought to the position.

        Raises what these raise; but for FailClosed it is then to be called again.
        """
        position = yield from self._takeover.take_over(partition)
        position = yield from self._prepare(partition, position)
        self._describe()
        stamp = yield from self._restore(partition, position, self._identity())
        return Owned(position, stamp)
