"""Taking a partition over: who held it, is it ours, where to go on, and by whose leave.

What waits is a generator: it yields True when it got on and False when it has to wait for others,
and the runner, which keeps the group membership alive by polling, asks it again.
"""

from collections.abc import Callable, Generator
from typing import Final, Literal, NamedTuple

import structlog

from processor.errors import FailClosed
from processor.ports.log import (
    Committed,
    Coordination,
    Extent,
    NotStable,
    Publication,
    Scan,
    Subscription,
    Topic,
)
from processor.stream import CommitMetadata, ForeignText, Stream

OPEN_TOO_LONG_S: Final = 1.0
"""A live owner ends its transaction sooner; after this it is taken for dead and fenced."""

Start = Literal["earliest", "latest"] | int
"""Where a virgin partition starts: an end of the log, or a time in milliseconds since 1970."""

_REPAIR: Final = (
    "Run `session-processor offsets show`, then `session-processor offsets repair`; "
    "to fold records again, use `session-processor replay`."
)
_log: Final = structlog.get_logger(__name__)


class Position(NamedTuple):
    """Where a partition stands by what is committed: next input and output offset, and epoch."""

    offset: int
    output: int
    epoch: int


class Ownership:
    """Takes partitions over, one call a partition (DESIGN, "Truth and cache" 3 to 5)."""

    def __init__(
        self,
        *,
        stream: Stream,
        topics: Callable[[Topic], str],
        start: Start,
        subscription: Subscription,
        publication: Publication,
        coordination: Coordination,
        scan: Scan,
        clock: Callable[[], float],
    ) -> None:
        self._stream = stream
        self._topics = topics
        self._start = start
        self._subscription = subscription
        self._publication = publication
        self._coordination = coordination
        self._scan = scan
        self._clock = clock

    def take_over(self, partition: int) -> Generator[bool, None, Position]:
        """Make an assigned partition this process's own; return where it stands.

        1. The membership is captured: whatever is committed below, is committed under it.
        2. A former owner's open transaction is waited for, then fenced.
        3. What is committed is checked against what the topics hold. Raises FailClosed.
        4. The unchanged offset is committed with this process's own metadata, so that the next
           owner knows whom to fence.

        Raises what committing raises; then it is to be called again.
        """
        if partition >= self._stream.partitions:
            raise FailClosed(
                f"{self._name(Topic.UPDATES, partition)} was added: the input had "
                f"{self._stream.partitions} partitions, and now keys move between them",
                hint=_REPAIR,
            )
        while (membership := self._subscription.membership()) is None:
            yield False
        committed = yield from self._settled(partition)
        position = yield from self._checked(partition, committed)
        self._publication.begin()
        self._publication.commit(
            {partition: Committed(position.offset, self.metadata(position))}, membership
        )
        return position

    def metadata(self, position: Position) -> str:
        """Return the text to commit with a position under the present producer."""
        return CommitMetadata(
            self._publication.identity(), position.output, self._stream, position.epoch
        ).encode()

    def _settled(self, partition: int) -> Generator[bool, None, Committed | None]:
        """Return the stable committed offset, once no transaction is open on the partition."""
        since = self._clock()
        fenced: str | None = None
        while True:
            try:
                committed = self._coordination.committed(partition, stable=True)
                pending = False
            except NotStable:
                committed = None
                pending = True
            output = self._coordination.extent(Topic.SESSIONS, partition)
            if not pending and output.stable_end >= output.end:
                return committed
            if self._clock() - since > OPEN_TOO_LONG_S:
                former = self._identity(self._coordination.committed(partition, stable=False))
                if former is not None and former != fenced:
                    _log.info("fencing a former owner", partition=partition, owner=former)
                    if self._coordination.fence(former):
                        fenced = former
                        since = self._clock()
                        continue
            yield False

    def _identity(self, committed: Committed | None) -> str | None:
        """Return whose commit this is; None where the transaction timeout must end what is open."""
        if committed is None:
            return None
        try:
            return CommitMetadata.decode(committed.metadata, self._stream.cluster).identity
        except ForeignText:
            return None

    def _checked(
        self, partition: int, committed: Committed | None
    ) -> Generator[bool, None, Position]:
        updates = self._coordination.extent(Topic.UPDATES, partition)
        if committed is None:
            yield from self._require_virgin(partition)
            return Position(self._first_offset(partition, updates), 0, 0)
        metadata = self._own_metadata(partition, committed)
        output = self._coordination.extent(Topic.SESSIONS, partition)
        if output.end < metadata.output:
            raise FailClosed(
                f"{self._name(Topic.SESSIONS, partition)} ends at offset {output.end}, but "
                f"snapshots up to {metadata.output} were committed: published snapshots are gone",
                hint="Restore the topic, or fold the input again with `session-processor replay`.",
            )
        if not updates.start <= committed.offset <= updates.end:
            raise FailClosed(
                f"{self._name(Topic.UPDATES, partition)} has offsets {updates.start} to "
                f"{updates.end}, but {committed.offset} is to be read next: updates that were not "
                "processed have expired, or the topic was truncated",
                hint=_REPAIR,
            )
        return Position(committed.offset, metadata.output, metadata.epoch)

    def _own_metadata(self, partition: int, committed: Committed) -> CommitMetadata:
        where = f"the committed offset {committed.offset} of {self._name(Topic.UPDATES, partition)}"
        try:
            metadata = CommitMetadata.decode(committed.metadata, self._stream.cluster)
        except ForeignText as error:
            raise FailClosed(
                f"{where} was not committed by this service ({error}): somebody reset it, and the "
                "sessions do not stand where it says",
                hint=_REPAIR,
            ) from error
        for field, then, now in zip(Stream._fields, metadata.stream, self._stream, strict=True):
            if then != now:
                raise FailClosed(f"{where}: {self._changed(field, then, now)}", hint=_REPAIR)
        return metadata

    def _changed(self, field: str, then: object, now: object) -> str:
        if field == "partitions":
            return (
                f"the input had {then} partitions and has {now}: keys have moved between them, "
                "and their sessions have not"
            )
        if field == "framing":
            return f"the output was framed as {then} and would now be framed as {now}"
        topic = self._topics(Topic[field.upper()])
        return f"topic {topic} was {then} and is {now}: it was deleted and created again"

    def _require_virgin(self, partition: int) -> Generator[bool, None, None]:
        """Raise FailClosed if anything was ever published for the partition."""
        for topic in (Topic.SESSIONS, Topic.DEAD_LETTERS):
            end = self._coordination.extent(topic, partition).stable_end
            for records in self._scan.read(topic, partition, 0, end):
                if records:
                    raise FailClosed(
                        f"{self._name(Topic.UPDATES, partition)} has no committed offset, but "
                        f"{self._name(topic, partition)} has records: the offset expired or was "
                        "deleted, and to start anew would publish again what is there",
                        hint=_REPAIR,
                    )
                yield False

    def _first_offset(self, partition: int, updates: Extent) -> int:
        if self._start == "earliest":
            return updates.start
        if self._start == "latest":
            return updates.stable_end
        return self._coordination.offset_at(partition, self._start)

    def _name(self, topic: Topic, partition: int) -> str:
        return f"{self._topics(topic)} partition {partition}"
