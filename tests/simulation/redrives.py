"""Redrives of dead letters beside the services."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from random import Random
from typing import Any

from fakes.broker import Transaction
from fakes.log import FakeCoordination, FakeScan

from processor.dead_letters.decision import ATTEMPT_HEADER, Input
from processor.dead_letters.erases import Erases
from processor.dead_letters.progress import Mark, RedrivePosition
from processor.dead_letters.redrive import RateLimit, Redrive, begun
from processor.dead_letters.selection import Selection
from processor.kafka.transactions import send_once
from processor.ports.log import (
    Committed,
    Outgoing,
    Record,
    Topic,
)
from processor.stages.publish import ERROR_HEADERS
from processor.state.ends import end_of
from simulation.command import Command, Task
from simulation.plan import Acts
from simulation.scheduler import Violation
from simulation.sender import SimulatedSender
from simulation.servers import OfOtherGroup
from simulation.world import CODECS, World

_ATTEMPTS = 3


class _Sending:
    """The port, with what the production sender makes of it."""

    def __init__(self, name: str, port: Any) -> None:
        self._name = name
        self.open, self.positions, self.transact = port.open, port.positions, port.transact

    def send(
        self,
        records: Sequence[Outgoing],
        before: Mapping[int, Committed],
        after: Mapping[int, Committed],
    ) -> None:
        send_once(self, self._name, records, before, after)


class RedriveCommand(Command):
    """Every letter that is there at its beginning is sent once, by whatever many processes."""

    name = "redrive"

    def __init__(self, world: World, acts: Acts) -> None:
        super().__init__(world, acts)
        self.id = f"sim.redrive.{acts.amount}"
        self.group: dict[int, Committed] = {}
        self._stands: dict[int, Committed] = {}
        """What is committed, whether or not its markers are there."""
        self._rate = Random(acts.amount).choice((1.0, 3.0, 50.0))
        world.checks[self.id] = self.commit

    def run(self, task: Task, port: Callable[[str, Any], Any]) -> None:
        world = self.world
        coordination = port("coordination", FakeCoordination(world.broker))
        scan = port("scan", FakeScan(world.broker))
        task.sender = SimulatedSender(
            world.broker, self.id, self.group, task.clock, lambda: world.scheduler.point(task)
        )
        sender = _Sending(self.id, port("sender", task.sender))
        every = range(coordination.partitions(Topic.DEAD_LETTERS))
        extents = [coordination.extent(Topic.DEAD_LETTERS, each) for each in every]
        topics = coordination.topic_ids()
        ids = topics[Topic.DEAD_LETTERS], topics[Topic.UPDATES]
        fresh = {
            partition: RedrivePosition(
                start, Mark("all", None, None, ids, len(extents), stable_end, 0)
            )
            for partition, (start, stable_end, _) in enumerate(extents)
        }
        positions, _ = begun(self.id, fresh, sender, every, send=True)
        erases = Erases(
            lambda each: coordination.extent(Topic.SESSIONS, each)[:2],
            partial(scan.read, Topic.SESSIONS),
            lambda _: None,
        )
        drive = Redrive(
            read=partial(scan.read, Topic.DEAD_LETTERS),
            selection=Selection(),
            to=Input(Topic.UPDATES.value, len(every), _ATTEMPTS, CODECS.commands.is_command),
            erases=erases,
            positions=positions,
            deliver=sender.send,
            pace=RateLimit(self._rate, task.clock),
            on_progress=lambda _: None,
        )
        with closing(erases):
            drive.run()

    def commit(self, _identity: str, transaction: Transaction) -> None:
        """See that what is sent is the letters between the positions, each once."""
        assert isinstance(transaction, OfOtherGroup)
        due: dict[int, list[tuple[bool, Record]]] = {}
        logs = self.world.broker.logs
        for partition, after in transaction.positions.items():
            before = self._stands.get(partition, after).offset
            if after.offset < before:
                raise Violation(f"redrive: position {after.offset} committed after {before}")
            letters = logs[Topic.DEAD_LETTERS][partition]
            for each in letters.entries[before : after.offset]:
                if each.record is not None and each.readable and _is_due(each.record):
                    gone = each.record.offset < letters.start or self._erased(each.record)
                    due.setdefault(_origin(each.record), []).append((gone, each.record))
        for partition in range(self.world.partitions):
            first = transaction.first.get((Topic.UPDATES, partition))
            entries = [] if first is None else logs[Topic.UPDATES][partition].entries[first:]
            sent = [
                each.record
                for each in entries
                if each.transaction is transaction and each.record is not None
            ]
            if not _are(sent, due.get(partition, [])):
                raise Violation(
                    f"redrive: {len(sent)} records were sent to partition {partition} where "
                    f"{len(due.get(partition, []))} letters are due"
                )
        self._stands |= transaction.positions

    def _erased(self, letter: Record) -> bool:
        """Whether the output has an erase of the key, which may have been seen in time."""
        log = self.world.broker.logs[Topic.SESSIONS][_origin(letter)]
        ends = (
            end_of(each.record.headers)
            for each in log.entries
            if each.record is not None and each.record.key == letter.key
        )
        return any(end is not None and end.command == "erase" for end in ends)

    def unrest(self) -> str | None:
        if self.done and any(
            each.offset < Mark.decode(each.metadata).end for each in self._stands.values()
        ):
            raise Violation(f"redrive: it is done, and stands at {self._stands}")
        return super().unrest()


def _is_due(letter: Record) -> bool:
    is_command = letter.value is not None and CODECS.commands.is_command(letter.value)
    return not is_command and _attempts(letter) < _ATTEMPTS


def _attempts(letter: Record) -> int:
    return int(dict(letter.headers).get(ATTEMPT_HEADER) or b"1")


def _origin(letter: Record) -> int:
    return int(dict(letter.headers)[ERROR_HEADERS[4]] or b"")


def _are(sent: Sequence[Record], due: Sequence[tuple[bool, Record]]) -> bool:
    """Whether each letter that is due was sent; those that are gone may have been."""
    at = 0
    for gone, letter in due:
        if at < len(sent) and (sent[at].key, sent[at].value) == (letter.key, letter.value):
            at += 1
        elif not gone:
            return False
    return at == len(sent)
