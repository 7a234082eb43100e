"""Finding out how a partition stands: what is committed, what is published, what is wrong."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from processor.errors import Unavailable
from processor.offsets.repair import Evidence, Situation
from processor.partitions.committed import FaultKind, Found, OffsetFault, Topics
from processor.partitions.fencing import stable_offset
from processor.partitions.published import compare, published_without_offset
from processor.ports.clock import Clock
from processor.ports.log import (
    Committed,
    Coordination,
    Extent,
    LogUnavailable,
    NotStable,
    Record,
    Scan,
    Topic,
)
from processor.stages.publish import ERROR_HEADERS, OFFSET_TO_HEADER
from processor.state.checkpoint import CommitMetadata, ForeignText, Stream
from processor.state.ends import end_of

SETTLE_S: Final = 60.0
"""How long an open transaction may keep a partition from being looked at; brokers end it sooner."""
_MOMENT_S: Final = 0.1
_ANSWERED_WITHIN_S: Final = 15.0
_LETTER_TOPIC, _LETTER_PARTITION, _LETTER_OFFSET = ERROR_HEADERS[3:]

Result = TypeVar("Result")
OnProgress = Callable[[Topic, int, int, int], None]
"""Takes a topic, a partition, offsets done and offsets to do."""


class AnsweredRecord(NamedTuple):
    """A snapshot, a session's end or a letter, and the input record that it says it answers."""

    offset: int
    key: bytes | None
    answers: Callable[[Record], bool]
    """Whether an input record is the one that was answered."""
    next_output: int
    """The offset after the snapshot or letter itself."""


class AnsweredRecords(NamedTuple):
    """Of one partition of a topic, the answer to the highest offset, and the one given last.

    They differ where the input was deleted and created again.
    """

    highest: AnsweredRecord
    last: AnsweredRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Looks at partitions from outside of the group; changes nothing but to fence the dead."""

    stream: Stream
    topics: Topics
    coordination: Coordination
    scan: Scan
    answered: Callable[[bytes], tuple[int, str]]
    """Returns the input offset and the event id of the update that a snapshot answers."""
    event_id: Callable[[Record], str | None]
    """Returns an update's or a command's event id, None where it cannot be read."""
    clock: Clock
    on_progress: OnProgress
    """Hears how reading gets on."""

    def glance(self, partition: int) -> Situation:
        """Return how a partition stands now, without waiting for anybody or reading it whole."""
        return self._situation(partition, self.committed(partition))

    def committed(self, partition: int) -> Committed | None:
        """Return what is committed now, whatever is pending.

        A coordinator that has just taken its place may answer late: it is asked for 15 seconds.
        """
        until = self.clock.monotonic() + _ANSWERED_WITHIN_S
        while True:
            try:
                return self.coordination.committed(partition, stable=False)
            except LogUnavailable:
                if self.clock.monotonic() > until:
                    raise
                self.clock.wait(_MOMENT_S)

    def look(self, partition: int) -> Situation:
        """Return how a partition of a stopped group stands, with what its topics tell.

        A transaction that a dead owner left open is fenced or waited for. Raises Unavailable where
        it stays open, and FailClosed for a snapshot that cannot be read.
        """
        found = self._situation(partition, self._settled(partition))
        if found.fault is None:
            return found
        return found._replace(evidence=self._evidence(partition, found.updates))

    def metadata(self, committed: Committed | None) -> CommitMetadata | None:
        """Return what was committed with an offset, None where it is not ours to read."""
        if committed is None:
            return None
        try:
            return CommitMetadata.decode(committed.metadata, self.stream.cluster)
        except ForeignText:
            return None

    def _settled(self, partition: int) -> Committed | None:
        since = self.clock.monotonic()
        waiting = stable_offset(partition, self.coordination, self.stream.cluster, self.clock)
        while True:
            try:
                next(waiting)
            except StopIteration as done:
                committed: Committed | None = done.value
                return committed
            if self.clock.monotonic() - since > SETTLE_S:
                raise Unavailable(
                    f"partition {partition} has a transaction open that has not ended within "
                    f"{SETTLE_S:g} seconds",
                    hint="See with Kafka's `kafka-transactions` who holds it, and try again.",
                )
            self.clock.wait(_MOMENT_S)

    def _situation(self, partition: int, committed: Committed | None) -> Situation:
        updates = self.coordination.extent(Topic.UPDATES, partition)
        output = self.coordination.extent(Topic.SESSIONS, partition)
        fault = (
            _returned(
                published_without_offset(partition, self.coordination, self.topics, self.scan)
            )
            if committed is None
            else self._wrong(Found(partition, committed, updates, output))
        )
        return Situation(
            partition, committed, self.metadata(committed), fault, updates, output, Evidence()
        )

    def _wrong(self, found: Found) -> OffsetFault | None:
        checked = _returned(compare(found, self.stream, self.topics, self.scan))
        if not isinstance(checked, OffsetFault):
            return None
        # What is published may be of an offset that was committed since.
        return None if checked.kind is FaultKind.WENT_BACK and self._moved_on(found) else checked

    def _moved_on(self, found: Found) -> bool:
        """Whether somebody has committed since, or is about to: the group may be at work."""
        try:
            return self.coordination.committed(found.partition, stable=True) != found.committed
        except NotStable:
            return True

    def _evidence(self, partition: int, updates: Extent) -> Evidence:
        snapshots = self._read(Topic.SESSIONS, partition, self._of_snapshot)
        letters = self._read(Topic.DEAD_LETTERS, partition, self._of_letter)
        found = [self._of_this_log(partition, each, updates) for each in (snapshots, letters)]
        given = [each.highest.offset for each in (snapshots, letters) if each is not None]
        former = [offset for offset in given if offset not in found]
        end = None
        if snapshots is not None and snapshots.highest.offset != found[0]:
            end = snapshots.highest.next_output
        gone = self.coordination.extent(Topic.DEAD_LETTERS, partition).start > 0
        return Evidence(found[0], found[1], max(former, default=-1), end, gone)

    def _read(
        self, topic: Topic, partition: int, answer: Callable[[Record], AnsweredRecord | None]
    ) -> AnsweredRecords | None:
        """Read a partition whole."""
        answers: AnsweredRecords | None = None
        start, end, _ = self.coordination.extent(topic, partition)
        for records in self.scan.read(topic, partition, start, end):
            for record in records:
                last = answer(record)
                if last is not None:
                    highest = last if answers is None else answers.highest
                    answers = AnsweredRecords(
                        max(highest, last, key=lambda each: each.offset), last
                    )
            if records:
                self.on_progress(topic, partition, records[-1].offset + 1 - start, end - start)
        self.on_progress(topic, partition, end - start, end - start)
        return answers

    def _of_snapshot(self, record: Record) -> AnsweredRecord | None:
        if record.value is not None:
            offset, event_id = self.answered(record.value)
        elif (end := end_of(record.headers)) is not None:
            offset, event_id = end.input_offset, end.event_id
        else:
            return None
        return AnsweredRecord(
            offset,
            record.key,
            lambda update: self._event_id(update) == event_id,
            record.next_offset,
        )

    def _event_id(self, update: Record) -> str | None:
        return None if update.value is None else self.event_id(update)

    def _of_letter(self, record: Record) -> AnsweredRecord | None:
        """Return what a letter answers, if it is of this input partition."""
        said = dict(record.headers)
        here = (self.topics(Topic.UPDATES).encode(), str(record.partition).encode())
        if (said.get(_LETTER_TOPIC), said.get(_LETTER_PARTITION)) != here:
            return None
        # One that stands for a range answers its end.
        offset = said.get(OFFSET_TO_HEADER) or said.get(_LETTER_OFFSET) or b""
        if not offset.isdigit():
            return None
        return AnsweredRecord(
            int(offset),
            record.key,
            lambda update: update.value == record.value,
            record.next_offset,
        )

    def _of_this_log(self, partition: int, answers: AnsweredRecords | None, updates: Extent) -> int:
        """Return the highest offset that the present input has the answered update at, else -1."""
        for answer in answers or ():
            if self._is_there(partition, answer, updates):
                return answer.offset
        return -1

    def _is_there(self, partition: int, answer: AnsweredRecord, updates: Extent) -> bool:
        """Whether the input has the update where the answer says, or has had time to lose it."""
        if not updates.start <= answer.offset < updates.stable_end:
            return answer.offset < updates.start
        there = answer.offset
        for records in self.scan.read(Topic.UPDATES, partition, there, there + 1):
            for record in records:
                return record.offset != there or (
                    record.key == answer.key and answer.answers(record)
                )
        return True


def _returned(steps: Generator[bool, None, Result]) -> Result:
    """Return what a generator comes to, waiting with it."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Result = done.value
            return result
