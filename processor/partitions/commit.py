"""Committing positions of partitions, with the snapshots that they answer for."""

from collections.abc import Generator, Mapping, Sequence

from processor.errors import FailClosed
from processor.partitions.committed import REPAIR
from processor.ports.log import Committed, Membership, Outgoing, Publication, Subscription
from processor.state.checkpoint import Position, Stream


class PositionCommit:
    """Publishes snapshots of partitions and commits their positions, in one transaction.

    Raises what committing raises; then the partitions are to be taken over anew.
    """

    def __init__(
        self, stream: Stream, subscription: Subscription, publication: Publication
    ) -> None:
        self._stream = stream
        self._subscription = subscription
        self._publication = publication

    def __call__(
        self, partition: int, position: Position, snapshots: Sequence[Outgoing]
    ) -> Generator[bool, None, Position]:
        """Commit under the present membership, once it is confirmed: yields False until then."""
        while (membership := self._subscription.confirmed()) is None:
            yield False
        return self.under(membership, {partition: position}, snapshots)[partition]

    def under(
        self,
        membership: Membership,
        positions: Mapping[int, Position],
        snapshots: Sequence[Outgoing] = (),
    ) -> dict[int, Position]:
        """Commit under a membership; return the positions with the output's next offsets."""
        self._publication.begin()
        self._publication.send(snapshots)
        ends = self._publication.flush()
        after = {
            partition: position._replace(output=next_output(partition, position, ends))
            for partition, position in positions.items()
        }
        offsets = with_metadata(after, self._stream, self._publication.identity())
        self._publication.commit(offsets, membership)
        return after


def with_metadata(
    positions: Mapping[int, Position], stream: Stream, identity: str
) -> dict[int, Committed]:
    """Return what is committed for positions by the holder of a transactional id."""
    return {
        partition: Committed(position.offset, position.metadata(stream, identity))
        for partition, position in positions.items()
    }


def next_output(partition: int, position: Position, ends: Mapping[int, int]) -> int:
    """Return a partition's next output offset after a transaction, from what `flush` returned.

    Raises FailClosed where a snapshot was given an offset that a committed one had.
    """
    end = ends.get(partition)
    if end is None:
        return position.output
    if end <= position.output:
        raise FailClosed(
            f"partition {partition} of the output: a snapshot was written at offset {end - 1}, but "
            f"snapshots up to {position.output} were committed: published snapshots are gone",
            hint=REPAIR,
        )
    return end
