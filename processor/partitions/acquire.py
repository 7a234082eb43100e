"""The life of a partition up to its first record.

A generator, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Callable, Generator

from processor.partitions.takeover import Takeover
from processor.ports.claims import Claims
from processor.state.checkpoint import Owned, Position
from processor.state.restore import Restore

Prepare = Callable[[int, Position], Generator[bool, None, Position]]
"""Does what is to be done with a partition between taking it over and restoring it."""


def acquire(
    partition: int,
    *,
    takeover: Takeover,
    prepare: Prepare,
    describe: Callable[[], None],
    restore: Restore,
    identity: Callable[[], str],
    claims: Claims,
) -> Generator[bool, None, Owned]:
    """Own an assigned partition; return its position and its cache's stamp.

    1. It is taken over from whoever held it.
    2. It is prepared: a replay copies its starting state there.
    3. Redis is told how what will be there is read.
    4. Its cache is brought to the position, fenced by the transactional `identity` in use.
    5. It is noted beside the claims as this process's, which fences whoever had it; claims that
       committed commands removed go, where a former owner did not come to that.
    6. If another has taken it over since, that was the wrong way round: all begins anew.

    Raises what these raise; but for FailClosed it is then to be called again.
    """
    while True:
        position = yield from takeover.take_over(partition)
        position = yield from prepare(partition, position)
        describe()
        stamp = yield from restore(partition, position, identity())
        token = claims.own(partition, position.offset)
        if (yield from takeover.holds(partition)):
            return Owned(position, stamp, token)
