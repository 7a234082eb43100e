"""Commands beside the services: a redrive of dead letters, a repair of offsets.

Each is what the command line runs, on the fakes; whoever is killed is followed by the same command.
`replays.py` has replays.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from fakes.broker import Transaction
from fakes.log import FakeCoordination, FakeScan

from processor.avro.framing import DecodeError
from processor.dead_letters.decision import ATTEMPT_HEADER, Input
from processor.dead_letters.progress import Mark, RedrivePosition
from processor.dead_letters.redrive import RateLimit, Redrive, begun
from processor.dead_letters.selection import Selection
from processor.errors import FailClosed, Unavailable
from processor.kafka.transactions import send_once
from processor.offsets.diagnosis import Diagnosis
from processor.offsets.setting import look, set_offsets
from processor.ports.log import (
    BatchAborted,
    Committed,
    LogUnavailable,
    Outgoing,
    ProducerLost,
    Record,
    Topic,
)
from processor.stages.publish import ERROR_HEADERS
from simulation.plan import Acts, Happens
from simulation.ports import UNANSWERED, Around, Call, Happening, SimulatedTask
from simulation.replays import Replay
from simulation.scheduler import Violation
from simulation.servers import OfOtherGroup, SimulatedBroker
from simulation.world import CODECS, KEYS, OwnClock, World, stream_of

_ATTEMPTS = 3
_AGAIN_S = 1.0
_PATIENCE_S = 30.0
_BY_EVIDENCE = frozenset(
    {"no committed offset", "not committed by this service", "later commits are gone"}
)
"""What is said where the output and the letters have to tell where to go on."""
_LOST = UNANSWERED | {
    "sender.open": LogUnavailable,
    "sender.positions": LogUnavailable,
    "sender.transact": ProducerLost,
    "offsets.set": LogUnavailable,
}


def begin(world: World, acts: Acts) -> None:
    """Have a command begin at its step; a repair begins once somebody asked for it."""
    if acts.actor == "repair":
        repair = RepairCommand(world, acts)
        world.repair = repair.begin
        return
    command = REDRIVES[acts.actor](world, acts)
    world.commands.append(command)
    world.scheduler.at_step(acts.step, command.begin)


class _Task(SimulatedTask):
    """A command's process."""

    def __init__(self, name: str, command: "_Command") -> None:
        super().__init__(name, partial(command.body, self))
        self.clock = OwnClock(command.world.scheduler, self)
        self.sender: SimulatedSender | None = None


class _Command:
    """A command, from its beginning to its end, however many processes that takes."""

    name: str

    def __init__(self, world: World, acts: Acts) -> None:
        self.world = world
        self.done = False
        self.acts = acts
        self.latest: _Task
        self._made = count(1)

    def begin(self) -> None:
        self.start()
        for happens in self.acts.faults:
            step = self.world.scheduler.step + happens.step
            self.world.scheduler.at_step(step, partial(self._arrange, happens))

    def start(self) -> None:
        self.latest = _Task(f"{self.name}-{next(self._made)}", self)
        self.world.tell(f"{self.latest.name} starts")
        self.world.scheduler.spawn(self.latest)

    def body(self, task: _Task) -> None:
        world = self.world
        around = Around(world.scheduler, task, world.away, world.trace)
        try:
            self.run(task, around.port)
            self.done = True
        except (LogUnavailable, Unavailable) as error:
            world.tell(f"{task.name} ends: {error}")
            world.scheduler.after(_AGAIN_S, self.start)

    def run(self, task: _Task, port: Callable[[str, Any], Any]) -> None:
        raise NotImplementedError

    def unrest(self) -> str | None:
        return None if self.done else f"the {self.name} is not done"

    def _arrange(self, happens: Happens) -> None:
        task = self.latest
        if task.dead or (self.world.healed and self.name != "repair"):
            return
        if not happens.method:
            FAULTS[happens.fault](self, task, happens)
            return

        def action(_task: SimulatedTask, call: Call) -> None:
            self.world.happened += 1
            self.world.tell(f"{happens.fault}, {task.name} {happens.side} {happens.method}")
            if happens.fault in FAULTS:
                FAULTS[happens.fault](self, task, happens)
            else:
                CALL_FAULTS[happens.fault](self, task, happens, call)

        task.armed.append(Happening(happens.method, happens.side, action))


def _kill(command: _Command, task: _Task, happens: Happens) -> None:
    command.world.scheduler.end(task)
    command.world.scheduler.after(happens.seconds, command.start)


def _stop(command: _Command, task: _Task, happens: Happens) -> None:
    """Stop it; the same command is begun beside it, before it goes on."""
    scheduler = command.world.scheduler
    task.stopped = True
    scheduler.after(happens.seconds / 2, command.start)
    scheduler.after(happens.seconds, lambda: setattr(task, "stopped", False))


def _unanswered(_command: _Command, _task: _Task, _happens: Happens, call: Call) -> None:
    raise _LOST[call.method](f"{call.method}: no answer (simulated)")


def _answer_lost(_command: _Command, _task: _Task, _happens: Happens, call: Call) -> None:
    call.do()
    raise _LOST[call.method](f"{call.method}: its answer was lost (simulated)")


def _refused(_command: _Command, _task: _Task, _happens: Happens, call: Call) -> None:
    raise BatchAborted(f"{call.method}: refused (simulated)")


def _commit_later(command: _Command, task: _Task, happens: Happens, call: Call) -> None:
    assert task.sender is not None
    command.world.scheduler.after(happens.seconds, task.sender.prepare(*call.args))
    raise ProducerLost("the commit's answer did not come (simulated)")


def _commit_never_ends(_command: _Command, task: _Task, _happens: Happens, call: Call) -> None:
    assert task.sender is not None
    task.sender.prepare(*call.args)
    raise ProducerLost("the offsets were sent, the end was not (simulated)")


FAULTS: dict[str, Callable[[_Command, _Task, Happens], None]] = {"kill": _kill, "stop": _stop}
CALL_FAULTS: dict[str, Callable[[_Command, _Task, Happens, Call], None]] = {
    "unanswered": _unanswered,
    "answer lost": _answer_lost,
    "refused": _refused,
    "commit later": _commit_later,
    "commit never ends": _commit_never_ends,
}


# Redrives


class SimulatedSender:
    """What `processor.kafka.transactions.Transactions` is to the brokers."""

    def __init__(
        self,
        broker: SimulatedBroker,
        name: str,
        group: dict[int, Committed],
        clock: OwnClock,
        between: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._name = name
        self._group = group
        self._clock = clock
        self._between = between
        self._epoch = -1

    def open(self) -> None:
        self._broker.answer()
        self._epoch = self._broker.init(self._name)

    def positions(self, partitions: Iterable[int], *, stable: bool = True) -> dict[int, Committed]:
        since = self._clock.monotonic()
        while stable and (self._name in self._broker.ending or self._pending()):
            if self._clock.monotonic() - since > _PATIENCE_S:
                raise LogUnavailable("offsets pend")
            self._clock.wait(0.1)
        self._broker.answer()
        return {each: self._group[each] for each in partitions if each in self._group}

    def _pending(self) -> bool:
        found = self._broker.open.get(self._name)
        return isinstance(found, OfOtherGroup) and bool(found.positions)

    def transact(self, records: Sequence[Outgoing], after: Mapping[int, Committed]) -> None:
        end = self.prepare(records, after)
        self._between()
        self._require_own()
        end()

    def prepare(
        self, records: Sequence[Outgoing], after: Mapping[int, Committed]
    ) -> Callable[[], None]:
        """Do all but the end; return what ends it, unless the id has another holder by then."""
        broker, name = self._broker, self._name
        self._require_own()
        transaction = broker.open[name] = OfOtherGroup(self._group)
        for record in records:
            self._between()
            self._require_own()
            broker.append(record, transaction)
        if broker.leaders_away & transaction.first.keys():
            raise BatchAborted("the leader of a partition is away")
        transaction.positions |= after
        epoch = broker.epochs[name]

        def end() -> None:
            if broker.open.get(name) is transaction and broker.epochs[name] == epoch:
                broker.end(name, commit=True)

        return end

    def _require_own(self) -> None:
        if not self._broker.available:
            raise ProducerLost("the broker is away")
        if self._epoch < 0:
            raise ProducerLost("there is no producer yet")
        if self._epoch != self._broker.epochs[self._name]:
            fenced = KafkaException(KafkaError(KafkaError._FENCED))
            raise ProducerLost("another holds the id") from fenced


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


class RedriveCommand(_Command):
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

    def run(self, task: _Task, port: Callable[[str, Any], Any]) -> None:
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
        drive = Redrive(
            read=partial(scan.read, Topic.DEAD_LETTERS),
            selection=Selection(),
            to=Input(Topic.UPDATES.value, len(every), _ATTEMPTS),
            positions=positions,
            deliver=sender.send,
            pace=RateLimit(self._rate, task.clock),
            on_progress=lambda _: None,
        )
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
                if each.record is not None and each.readable and _attempts(each.record) < _ATTEMPTS:
                    gone = each.record.offset < letters.start
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

    def unrest(self) -> str | None:
        if self.done and any(
            each.offset < Mark.decode(each.metadata).end for each in self._stands.values()
        ):
            raise Violation(f"redrive: it is done, and stands at {self._stands}")
        return super().unrest()


def _attempts(letter: Record) -> int:
    return int(dict(letter.headers).get(ATTEMPT_HEADER) or b"1")


def _origin(letter: Record) -> int:
    return int(dict(letter.headers)[ERROR_HEADERS[4]] or b"")


def _are(sent: Sequence[Record], due: Sequence[tuple[bool, Record]]) -> bool:
    """Whether each letter that is due was sent, but for those that expired, which may have been."""
    at = 0
    for gone, letter in due:
        if at < len(sent) and (sent[at].key, sent[at].value) == (letter.key, letter.value):
            at += 1
        elif not gone:
            return False
    return at == len(sent)


# Repairs


class _Offsets:
    """The group's offsets, set from outside of it."""

    def __init__(self, command: "RepairCommand") -> None:
        self._command = command

    def set(self, offsets: Mapping[int, Committed]) -> None:
        broker = self._command.world.broker
        broker.answer()
        if broker.group.members:
            raise FailClosed("a process joined the group meanwhile: nothing was changed")
        broker.committed |= offsets
        self._command.repaired(offsets)


class RepairCommand(_Command):
    """Every process is told to stop, offsets are repaired, and processes are started again."""

    name = "repair"

    def run(self, task: _Task, port: Callable[[str, Any], Any]) -> None:
        world = self.world
        while world.processes or world.broker.group.members:
            for process in world.processes:
                process.stopping.set()
            task.clock.wait(0.5)
        diagnosis = Diagnosis(
            stream=stream_of(world.broker),
            topics=lambda topic: topic.value,
            coordination=port("coordination", FakeCoordination(world.broker)),
            scan=port("scan", FakeScan(world.broker)),
            answered=_answered,
            event_id=_event_id,
            clock=task.clock,
            on_progress=lambda *_: None,
        )
        repair = look(diagnosis, range(world.partitions))
        try:
            set_offsets(
                diagnosis,
                port("offsets", _Offsets(self)),
                repair,
                f"sim-{task.name}",
                self.remove_claims,
            )
        except FailClosed as error:
            raise Unavailable(error.message) from error
        world.evidence.clear()
        while len(world.processes) < world.plan.processes:
            world.start()
        world.feed_all()

    def remove_claims(self) -> None:
        server, claims = self.world.server, KEYS.claims()
        generation = server.text(claims, b"generation")
        server.delete(claims)
        server.delete(KEYS.holders(generation))

    def repaired(self, offsets: Mapping[int, Committed]) -> None:
        """See that the offsets are what docs/operations.md promises, and go on from them."""
        exact = not any(each in _BY_EVIDENCE for each in self.world.evidence)
        self.world.check.repaired(
            {each: found.offset for each, found in offsets.items()}, exact=exact
        )


def _answered(value: bytes) -> tuple[int, str]:
    session = CODECS.snapshots.read(value)
    return session.input_offset, session.last_event_id


def _event_id(value: bytes) -> str | None:
    try:
        return CODECS.updates.read(value, 0).event_id
    except DecodeError:
        return None


REDRIVES: dict[str, Callable[[World, Acts], Any]] = {"redrive": RedriveCommand, "replay": Replay}
