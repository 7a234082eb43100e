"""Sending dead letters back to the input, with the positions in their topic."""

from collections.abc import Mapping, Sequence

from processor.errors import FailClosed
from processor.kafka.clients import Cluster
from processor.kafka.transactions import Place, Superseded, Transactions
from processor.ports.log import Committed, Outgoing, Topic


class RedriveSender:
    """One redrive's sender, under the group and transactional id `{group}.redrive.{name}`.

    Methods block and raise as those of Transactions do.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.group = f"{cluster.group}.redrive.{name}"
        self._letters = cluster.topics[Topic.DEAD_LETTERS]
        self._transactions = Transactions(cluster, self.group)

    def open(self) -> None:
        """Take the redrive over; a process that is at it can send nothing more."""
        self._transactions.open()

    def glance(self, partitions: Sequence[int]) -> dict[int, Committed]:
        """Return the same as `positions`, at once: a commit may be on its way."""
        found = self._transactions.positions(self._places(partitions), stable=False)
        return {partition: each for (_, partition), each in found.items()}

    def positions(self, partitions: Sequence[int]) -> dict[int, Committed]:
        """Return what is committed for these partitions of the dead letters. Changes nothing."""
        found = self._transactions.positions(self._places(partitions))
        return {partition: each for (_, partition), each in found.items()}

    def send(
        self,
        records: Sequence[Outgoing],
        before: Mapping[int, Committed],
        after: Mapping[int, Committed],
    ) -> None:
        """Send records and move the positions, all or nothing.

        Raises FailClosed if another process has taken the redrive over, and UnpublishableError,
        with nothing sent, if the broker refuses a record for good.
        """
        try:
            self._transactions.send(records, self._at(before), self._at(after))
        except Superseded as superseded:
            raise FailClosed(
                f"another process took this redrive over ({self.group}); it goes on where this one"
                " stood",
                hint="let it finish, or run the same command again once it has ended",
            ) from superseded

    def close(self) -> None:
        """Let go; an open transaction is left to time out or to be fenced."""
        self._transactions.close()

    def _places(self, partitions: Sequence[int]) -> list[Place]:
        return [(self._letters, each) for each in partitions]

    def _at(self, positions: Mapping[int, Committed]) -> dict[Place, Committed]:
        return {(self._letters, partition): each for partition, each in positions.items()}
