"""The log: what consume, publish, ownership and restore need from Kafka.

Four protocols, one a role. Kafka's own errors are sorted before they leave an implementation: what
may be retried was retried for a bounded time, what remains is an exception of this module or a
`ProcessorError`. A question blocks for a few seconds at most, a step of a transaction for 30.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol, Self

from processor.ports.servers import ServerUnavailable
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots

Headers = Sequence[tuple[str, bytes | None]]
HEADERS_UNREADABLE: Final = "session-processor.headers-unreadable"
"""The one header of a record of whose headers one has a name that is not UTF-8."""
NO_TIMESTAMP: Final = -1
"""The timestamp of a record without one; one that is published so is stamped as it is sent."""
Membership = object
"""A member's identity and generation; opaque, fences what is committed with it."""


class LogUnavailable(ServerUnavailable):
    """The brokers did not answer in time; nothing is known to have changed. Try again later."""

    server = "kafka"


class BatchAborted(Exception):  # noqa: N818  what happened
    """The transaction was aborted, or never began; the producer can be used again."""


class ProducerLost(Exception):  # noqa: N818  what happened
    """The producer is fenced or broken; whether its last commit stands, committed offsets tell."""


class NotStable(Exception):  # noqa: N818  a state
    """A transaction with offsets of these partitions is pending."""


class Topic(Enum):
    """The four topics, by their part."""

    UPDATES = "updates"
    SESSIONS = "sessions"
    DEAD_LETTERS = "dead-letters"
    CLAIMS = "claims"
    __hash__ = object.__hash__  # that of Enum is a function of Python, and is called all the time


class Record(NamedTuple):
    """One record of a topic. `timestamp` is in milliseconds since 1970, or `NO_TIMESTAMP`."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def next_offset(self) -> int:
        """The offset to go on from, once the record is processed."""
        return self.offset + 1


class Unreadable(Record):
    """Stands for the input records from `offset` to below `end`, which no reader can tell apart.

    They share a batch that cannot be unpacked: no key, value, header, time. `reason` tells why.
    """

    end: int
    reason: str

    def __new__(cls, partition: int, offset: int, end: int, reason: str) -> Self:
        """Take the first offset, and the one after the last."""
        made = super().__new__(cls, partition, offset, -1, None, None, ())
        made.end, made.reason = end, reason
        return made

    @property
    def next_offset(self) -> int:
        """The offset to go on from, once the range has become a dead letter."""
        return self.end


class Outgoing(NamedTuple):
    """One record to publish; without a partition the producer's partitioner chooses by key."""

    topic: Topic
    partition: int | None
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Committed(NamedTuple):
    """A partition's committed offset (the next to read) and the text that was committed with it."""

    offset: int
    metadata: str


class Extent(NamedTuple):
    """A partition's offsets: the first there is, the end of what is stable, and the end."""

    start: int
    stable_end: int
    end: int


class Ends(NamedTuple):
    """Where a partition ends: what is stable, and all with the records of open transactions."""

    stable_end: int
    end: int


Place = tuple[Topic, int]
"""A partition of a topic."""
EndsAnswer = Callable[[], Mapping[Place, Ends] | None]
"""Returns what was answered, None while that is awaited; waits for a moment itself."""


class Rebalance(NamedTuple):
    """What changed since it was last asked for. A lost partition is among the revoked."""

    assigned: frozenset[int]
    revoked: frozenset[int]


class Subscription(Protocol):
    """Membership in the group and the input records that come with it. One thread calls it.

    An assigned partition is paused until `resume`; its first record is the one at the offset that
    was given there. Records are read_committed.

    No record stops a partition: an `Unreadable` stands for a batch that cannot be unpacked. A batch
    whose checksum is wrong may be whole on another replica: nothing from it on comes until it is.
    """

    @property
    def member(self) -> str:
        """The id that the group has given; empty where there is none."""

    def membership(self) -> Membership | None:
        """Return the present membership, None while there is none. Call it before `take`."""

    def confirmed(self) -> Membership | None:
        """Return the membership that the last `take` was called under, if it told of no rebalance.

        What is done between two calls of `take`, and not for records of the first, is committed
        under this: a later membership may be one in which the partition is somebody else's.
        """

    def take(self, limit: int, wait: float) -> list[Record]:
        """Return up to `limit` records that have arrived, after waiting up to `wait` s for one.

        Serves the group's callbacks. At an offset outside the log it does as `renew`.
        """

    def rebalance(self) -> Rebalance | None:
        """Return what the group changed during `take` calls since last asked, None if nothing.

        Records that such a `take` returned were fetched under a membership that may have ended:
        drop them and seek back what is still assigned.
        """

    def resume(self, positions: Mapping[int, int]) -> None:
        """Let these partitions' records come, from these offsets on."""

    def pause(self, partitions: Sequence[int]) -> None:
        """Hold these partitions' records back, those in the queue too."""

    def seek(self, positions: Mapping[int, int]) -> None:
        """Make these the next offsets of partitions that are not paused."""

    def positions(self, partitions: Sequence[int]) -> dict[int, int]:
        """Return the offset after the last one that `take` passed, markers at the end included."""

    def ends(self, partitions: Sequence[int]) -> dict[int, int]:
        """Return the last known end of these input partitions, without asking a broker."""

    def damaged(self) -> Mapping[int, str]:
        """Return the partitions that stand before a damaged batch, each with what is wrong with it.

        It is read again at intervals; nobody needs to do anything for that.
        """

    def blocked(self) -> Collection[int]:
        """Return the partitions before a batch that cannot be read, as yet or at all."""

    def renew(self) -> Rebalance:
        """Leave the group and join it again with another client; return what is revoked: all."""

    def connection_error(self) -> str | None:
        """Return why no broker can be reached at present, None where one can, as far as known."""

    def close(self) -> None:
        """Leave the group, within seconds."""


class Publication(Protocol):
    """One transactional producer at a time. The order of calls is the order of the methods."""

    def identity(self) -> str:
        """Return the transactional id in use."""

    def begin(self) -> None:
        """Open a transaction.

        Raises ProducerLost where something that was sent to end the one before may arrive late.
        """

    def send(self, records: Sequence[Outgoing], snapshots: Snapshots = NO_SNAPSHOTS) -> None:
        """Hand snapshots over, then records; they are not delivered until `flush` says so."""

    def flush(self) -> dict[int, int]:
        """Wait for the brokers; return, by output partition, the offset after the last snapshot.

        Raises BatchAborted or ProducerLost; UnpublishableError, naming the record, for one that
        no attempt can publish.
        """

    def commit(self, offsets: Mapping[int, Committed], membership: Membership) -> None:
        """Commit what was sent and the input offsets, all or nothing.

        Raises BatchAborted where nothing was committed (the membership has ended, say), and
        ProducerLost.
        """

    def abort(self) -> None:
        """Abort the transaction, if one is open. Raises ProducerLost."""

    def replace(self) -> None:
        """Put a new producer in its place, under a fresh id. Raises LogUnavailable."""

    def close(self) -> None:
        """Let go of the producer without waiting for what it was sent."""


class Coordination(Protocol):
    """What the owner of a partition asks of the group's coordinator and of the partitions."""

    def committed(self, partition: int, *, stable: bool) -> Committed | None:
        """Return the group's committed offset. Raises NotStable if `stable` and one is pending."""

    def fence(self, identity: str) -> bool:
        """End whatever the holder of this transactional id has open; False: ask again."""

    def extent(self, topic: Topic, partition: int) -> Extent:
        """Return the partition's offsets as the broker has them now."""

    def ends(self, places: Collection[Place]) -> EndsAnswer:
        """Ask the leaders where partitions end; waits for nothing, and raises nothing.

        A partition that is not answered for within 3 s, one deadline for all, is left out.
        """

    def timestamps(self, offsets: Mapping[Place, int]) -> dict[Place, int]:
        """Return the timestamps (ms) of the records at these offsets, or next behind them.

        Those of open transactions count too. It takes 2 s at most, for all together; a record that
        has not come by then, or has no timestamp, is left out.
        """

    def offset_at(self, partition: int, timestamp: int, topic: Topic = Topic.UPDATES) -> int:
        """Return the first offset at or after the time (ms), the stable end when there is none."""

    def topic_ids(self, topics: Collection[Topic] = tuple(Topic)) -> dict[Topic, str]:
        """Return these topics' ids. Raises TopicError naming one that is absent."""

    def partitions(self, topic: Topic) -> int:
        """Return a topic's partition count."""

    def tombstones_kept_ms(self) -> int:
        """Return how long tombstones of the output are kept, by its setting as it is now."""

    def cluster_id(self) -> str:
        """Return the cluster's id."""


class Scan(Protocol):
    """A reader of a topic's partitions, outside of the group; read_committed unless it says so."""

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        """Yield the committed records from `start` until the position passes `end`.

        An empty yield means that none has arrived within a moment: open transactions below `end`
        are waited out, so stop by closing. A topic compacted or expired past `start` yields from
        what is left. Of the input, an `Unreadable` comes as it does from a `Subscription`; of other
        topics such a batch raises LogUnavailable, as a damaged one does.
        """
