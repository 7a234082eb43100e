"""Committing one partition's position, with the snapshots that it answers for."""

from collections.abc import Generator, Sequence

from processor.ports.log import Committed, Membership, Outgoing, Publication, Subscription
from processor.state.checkpoint import Position, Stream


class PositionCommit:
    """Publishes snapshots of a partition and commits its position, in one transaction.

    Raises what committing raises; then the partition is to be taken over anew.
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
        return self.under(membership, partition, position, snapshots)

    def under(
        self,
        membership: Membership,
        partition: int,
        position: Position,
        snapshots: Sequence[Outgoing] = (),
    ) -> Position:
        """Commit under a membership; return the position with the output's next offset."""
        self._publication.begin()
        self._publication.send(snapshots)
        ends = self._publication.flush()
        after = position._replace(output=ends.get(partition, position.output))
        metadata = after.metadata(self._stream, self._publication.identity())
        self._publication.commit({partition: Committed(after.offset, metadata)}, membership)
        return after
