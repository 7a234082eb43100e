"""Consume: take what has arrived. Kafka's records enter here."""

from collections.abc import Sequence
from typing import NamedTuple

from processor.ports.log import Membership, Rebalance, Record, Subscription


class Taken(NamedTuple):
    """Records with the membership that they were fetched under, and what the group changed."""

    records: Sequence[Record]
    membership: Membership | None
    rebalance: Rebalance | None


def consume(subscription: Subscription, limit: int, wait: float) -> Taken:
    """Return up to `limit` records, after waiting up to `wait` seconds for the first.

    The membership is captured before the poll: captured after, it could be one that the group gave
    when these records were no longer this member's (docs/adr/0002-fencing-and-ownership.md).
    """
    membership = subscription.membership()
    records = subscription.take(limit, wait)
    return Taken(records, membership, subscription.rebalance())
