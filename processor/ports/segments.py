"""Tombstones under nobody's key, so that Kafka cleans what is before them.

It cleans no segment that it still writes to, and begins another one only as a record comes: what
ended last in a partition that rests would stay there for good. `0:` is no session's key and no
profile's, since applications count from 1. Whoever reads sessions or claims passes these over.
"""

from typing import Final

from processor.ports.log import NO_TIMESTAMP, Outgoing, Record, Topic

NOBODY: Final = b"0:"
"""Such a record's key, and how keys begin that are no session's."""
ROLLED: Final = frozenset({Topic.SESSIONS, Topic.CLAIMS})
"""The topics that have such tombstones."""


def rolling(topic: Topic, partition: int) -> Outgoing:
    """Return the record that has a partition's segment followed by another, if it is old enough."""
    return Outgoing(topic, partition, NO_TIMESTAMP, NOBODY, None, ())


def is_rolling(record: Record) -> bool:
    """Whether a record of the output or the claims is such a one, and says nothing."""
    return record.key == NOBODY and record.value is None
