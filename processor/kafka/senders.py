"""Sending updates, none twice: each transaction carries with it how far its source was read."""

from collections.abc import Sequence
from typing import Final

from processor.kafka.clients import Cluster
from processor.kafka.transactions import Place, Transactions
from processor.ports.log import Committed, Outgoing, Topic

_POSITION_AT: Final = 0
"""The input partition whose offset, in the source's own group, says how far the source was read."""


class UpdateSender:
    """Sends what one source says to the input topic, from where an earlier sender stood.

    `partitioner` is one of librdkafka's. Methods block and raise as those of Transactions do.
    """

    def __init__(self, cluster: Cluster, source: str, partitioner: str) -> None:
        self._source = source
        self._place: Place = (cluster.topics[Topic.UPDATES], _POSITION_AT)
        self._begun = False
        self._transactions = Transactions(cluster, f"{cluster.group}.produce.{source}", partitioner)

    def open(self) -> int:
        """Take the source over and return how far it was sent, 0 for one that is new."""
        self._transactions.open()
        found = self._transactions.positions([self._place])
        self._begun = bool(found)
        return found[self._place].offset if found else 0

    def send(self, records: Sequence[Outgoing], before: int, after: int) -> None:
        """Send records and move the position from `before` to `after`, all or nothing."""
        stands = self._at(before) if self._begun else {}
        self._transactions.send(records, stands, self._at(after))
        self._begun = True

    def close(self) -> None:
        """Let go; an open transaction is left to time out or to be fenced."""
        self._transactions.close()

    def _at(self, position: int) -> dict[Place, Committed]:
        return {self._place: Committed(position, self._source)}
