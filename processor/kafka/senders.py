"""Sending to the input, nothing twice: each transaction carries with it how far it has come."""

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka.admin import AdminClient

from processor.errors import FailClosed
from processor.kafka.clients import Cluster, common
from processor.kafka.faults import sorting
from processor.kafka.transactions import Superseded, Transactions
from processor.ports.log import Committed, Outgoing, Topic

_ANSWER_S: Final = 10.0
_POSITION_AT: Final = 0
"""The input partition whose offset, in the source's own group, says how far the source was read."""


def sent_sources(cluster: Cluster) -> set[str]:
    """Return the names of the sources that positions are known of, and this user may read."""
    with sorting("connecting"):
        admin = AdminClient(common(cluster))  # type: ignore[arg-type]  # callbacks too
    with sorting("asking for the groups"):
        found = admin.list_consumer_groups(request_timeout=_ANSWER_S).result(_ANSWER_S + 1)
        for error in found.errors or ():  # of one broker: what the others know is not all
            raise error
    prefix = _prefix(cluster)
    names = [each.group_id for each in found.valid or ()]
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def _prefix(cluster: Cluster) -> str:
    return f"{cluster.group}.produce."


class UpdateSender:
    """Sends what one source says to the input topic, from where an earlier sender stood.

    `partitioner` is one of librdkafka's. Methods block and raise as those of Transactions do.
    """

    def __init__(self, cluster: Cluster, source: str, partitioner: str) -> None:
        self._source = source
        self.begun = False
        name = f"{_prefix(cluster)}{source}"
        self._transactions = Transactions(cluster, name, partitioner=partitioner)

    def open(self) -> int:
        """Take the source over and return how far it was sent, 0 for one that is new.

        Then `begun` says whether a position is known of it.
        """
        self._transactions.open()
        found = self._transactions.positions([_POSITION_AT])
        self.begun = bool(found)
        return found[_POSITION_AT].offset if found else 0

    def send(self, records: Sequence[Outgoing], before: int, after: int) -> None:
        """Send records and move the position from `before` to `after`, all or nothing."""
        stands = self._at(before) if self.begun else {}
        self._transactions.send(records, stands, self._at(after))
        self.begun = True

    def close(self) -> None:
        """Let go; an open transaction is left to time out or to be fenced."""
        self._transactions.close()

    def _at(self, position: int) -> dict[int, Committed]:
        return {_POSITION_AT: Committed(position, self._source)}


class RedriveSender(Transactions):
    """Sends dead letters back, with the positions in their topic.

    One redrive's, under the group and transactional id `{group}.redrive.{name}`.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.group = f"{cluster.group}.redrive.{name}"
        super().__init__(cluster, self.group, Topic.DEAD_LETTERS)

    def send(
        self,
        records: Sequence[Outgoing],
        before: Mapping[int, Committed],
        after: Mapping[int, Committed],
    ) -> None:
        """Send as Transactions do. Raises FailClosed if another process took the redrive over."""
        try:
            super().send(records, before, after)
        except Superseded as superseded:
            raise FailClosed(
                f"another process took this redrive over ({self.group}); it goes on where this one"
                " stood",
                hint="let it finish, or run the same command again once it has ended",
            ) from superseded
