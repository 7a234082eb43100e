"""Replays beside the services: the input's log is theirs, and all else is the replay's own."""

from collections.abc import Container, Mapping
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any

from fakes.broker import Transaction
from fakes.commands import FakeCommands
from fakes.log import FakeCoordination, FakeScan
from oracle import Snapshot, decode_session, is_command

from processor.bootstrap.adapters import Adapters
from processor.bootstrap.runs import Run, replay_run
from processor.cli.replay.start import bounds
from processor.core.command import SessionCommand
from processor.errors import NotFound, ProcessorError
from processor.ports.log import Coordination, Extent, LogUnavailable, Record, Scan, Topic
from processor.redis.keys import Keys
from processor.replay.bounds import RequestedBounds
from processor.replay.live_state import LiveState
from processor.replay.plan import Plan as ReplayPlan
from processor.replay.plan import Range
from processor.replay.seed import LiveTopics
from processor.state.checkpoint import CommitMetadata
from simulation.check import CLUSTER, input_offset, letter_of
from simulation.committed import sessions_of
from simulation.faults import arrange_for
from simulation.plan import Acts, Happens
from simulation.ports import Around
from simulation.scheduler import Violation
from simulation.servers import SimulatedBroker
from simulation.world import CODECS, Process, World, stream_of

_AGAIN_S = 1.0
Snapshots = list[Snapshot]


class ReplayBroker(SimulatedBroker):
    """The same brokers as the live one, with the replay's own group, output, letters and claims."""

    def __init__(self, world: World, replay: "Replay") -> None:
        self._live = world.broker
        super().__init__(
            world.partitions,
            world.scheduler,
            world.broker.clock,
            replay.commit,
            marker_delay=world.plan.marker_delay,
            quiet=world.plan.quiet,
        )
        self.chunk = world.plan.chunk
        self.logs[Topic.UPDATES] = self._live.logs[Topic.UPDATES]
        self.ids = {
            topic: self._live.ids[topic] + ("" if topic is Topic.UPDATES else ".replay")
            for topic in Topic
        }

    @property
    def available(self) -> bool:
        return self._live.available

    @available.setter
    def available(self, _available: bool) -> None:
        """Leave it to the live broker."""

    @property
    def leaders_away(self) -> set[tuple[Topic, int]]:
        return self._live.leaders_away

    @leaders_away.setter
    def leaders_away(self, _places: set[tuple[Topic, int]]) -> None:
        """Leave it to the live broker."""

    def extent(self, topic: Topic, partition: int) -> Extent:
        if topic is Topic.UPDATES:
            return self._live.extent(topic, partition)
        return super().extent(topic, partition)


class NoCommands(FakeCommands):
    """What a replay has for commands: its input is the services', and nothing is its to send."""

    def send(self, partition: int, command: SessionCommand) -> None:
        raise Violation(f"a replay sent {command.event_id} to partition {partition}")


class ReplayProcess(Process):
    """`replay run`: begins the replay, or goes on with it, and ends by itself at its end."""

    keys = Keys("sim.replay")

    def __init__(self, replay: "Replay", name: str) -> None:
        super().__init__(replay.world, name, replay.broker)
        self.commands = NoCommands(replay.broker)
        self.replay = replay
        self.refused = False

    def again(self) -> None:
        self.replay.start()

    def _body(self) -> None:
        world = self.world
        port = Around(world.scheduler, self, world.away, world.trace).port
        coordination = port("coordination", FakeCoordination(world.broker))
        self.live = LiveTopics(coordination, port("scan", FakeScan(world.broker)))
        try:
            if self.replay.plan is None:
                self.replay.plan_with(*self.live)
        except (LogUnavailable, NotFound) as error:
            world.tell(f"{self.name} ends: {error}")
            world.scheduler.after(_AGAIN_S, self.again)
            return
        if self.replay.plan is not None:
            super()._body()
            if not self.stopping.is_set() and not self.refused:
                self.replay.finish()

    def run_of(self, adapters: Adapters) -> Run:
        assert self.replay.plan is not None
        return replay_run(adapters, self.replay.plan, self.live, CODECS.values)

    def ends(self, error: ProcessorError) -> None:
        """Take note that it ended by itself: only where input expired before it was read."""
        self.refused = True
        self.replay.refuse(error.message)


class Replay:
    """A replay of a part of the input, while the services go on."""

    def __init__(self, world: World, acts: Acts) -> None:
        self.world = world
        self.acts = acts
        self.broker = ReplayBroker(world, self)
        self.plan: ReplayPlan | None = None
        self.done = False
        self._due: dict[int, Snapshots] = {}
        self._known: list[int] = []
        """How much of each partition was published when the replay was asked for."""
        self._undecided: dict[int, set[tuple[bytes, int]]] = {}
        """Snapshots whose `firstSession` the replay may decide otherwise."""
        self._state: dict[int, dict[bytes, bytes]] = {}
        """The sessions as of the start."""
        self._published: dict[int, int] = {}
        self._offsets: dict[int, int] = {}
        self._made = count(1)
        self._chance = Random(f"replay {acts.amount}")

    def begin(self) -> None:
        self.start()
        self.world.at_steps_from_now(self.acts.faults, self._arrange)

    def start(self) -> None:
        if not self.done:
            process = ReplayProcess(self, f"R{next(self._made)}")
            self.world.tell(f"{process.name} starts")
            self.world.scheduler.spawn(process)

    def _arrange(self, happens: Happens) -> None:
        processes = [each for each in self.world.scheduler.tasks if isinstance(each, ReplayProcess)]
        if self.world.healed or not processes:
            return
        if happens.fault == "join":
            self.start()
            return
        arrange_for(self.world, processes[-1], happens)

    # What `replay run` does before it folds

    def plan_with(self, coordination: Coordination, scan: Scan) -> None:
        """Make the plan, unless another process has; where it is refused, there is none."""
        broker, stream = self.world.broker, stream_of(self.world.broker)
        check = self.world.check
        self._known = [len(check.published(each)) for each in range(self.world.partitions)]
        live: Any = SimpleNamespace(
            state=LiveState(stream, coordination, scan),
            coordination=coordination,
            values=CODECS.values,
        )
        starts = {
            partition: self._chance.randint(
                broker.logs[Topic.UPDATES][partition].start, committed.offset
            )
            for partition, committed in sorted(broker.committed.items())
            if committed.offset >= broker.logs[Topic.UPDATES][partition].start
        }
        asked = RequestedBounds("earliest" if self._chance.random() < 0.3 else starts, None)
        ranges, outputs, refused = bounds(live, asked, as_json=True)
        if refused:
            if not self._lost() and not self._unexplained(ranges):
                raise Violation(f"a replay was refused without cause: {refused}")
            self.world.tell(f"the replay is refused: {refused}")
            self.done = True
            return
        if self.plan is not None:
            return
        # What live has decided by a claim that is not committed, a replay may decide otherwise.
        pending = check.pending_claims(self.world.server)
        ends = {partition: each.end for partition, each in outputs.items()}
        plan = ReplayPlan("night", 0, stream, ranges, ends, live.state.claims_ends())
        if pending:
            raise NotFound("claims are not committed yet")
        if self.plan is None:
            self.plan = plan
            self._freeze(plan)

    def _lost(self) -> bool:
        """Whether anything of the live topics has expired or was compacted."""
        logs = self.world.broker.logs
        return any(each.start for each in logs[Topic.UPDATES]) or any(
            entry.record is None and entry.transaction is None
            for log in logs[Topic.SESSIONS]
            for entry in log.entries
        )

    def _unexplained(self, ranges: Mapping[int, Range]) -> bool:
        """Whether a start has a command behind it whose session was not in the output before it.

        As the output was when the replay was asked for: of what came since, it need not know.
        """
        for partition, (start, _) in ranges.items():
            first: dict[bytes, int] = {}
            known = self.world.check.published(partition)[: self._known[partition]]
            for each in known:
                first.setdefault(each.key, input_offset(each))
            entries = self.world.check.input(partition, start)
            if any(
                is_command(each) and not first.get(each.key or b"", each.offset) < each.offset
                for each in entries
            ):
                return True
        return False

    def _freeze(self, plan: ReplayPlan) -> None:
        check = self.world.check
        for partition, (start, end) in plan.ranges.items():
            every = check.published(partition)
            self._state[partition] = sessions_of(
                each for each in every if input_offset(each) < start
            )
            self._due[partition] = [each for each in every if start <= input_offset(each) < end]
            self._undecided[partition] = check.undecided(partition)

    # What must hold

    def commit(self, _identity: str, transaction: Transaction) -> None:
        """See that what is published is what was published live, from the start on, in order."""
        for partition, committed in transaction.offsets.items():
            assert self.plan is not None
            if partition not in self.plan.ranges:
                continue
            start, end = self.plan.ranges[partition]
            if not self._offsets.get(partition, start) <= committed.offset <= end:
                raise Violation(
                    f"the replay of {start} to {end} of partition {partition} committed "
                    f"{committed.offset} after {self._offsets.get(partition)}"
                )
            self._offsets[partition] = committed.offset
            first = transaction.first.get((Topic.SESSIONS, partition))
            written = [] if first is None else self._written(partition, first, transaction)
            if CommitMetadata.decode(committed.metadata, CLUSTER).seeding is None:
                self._continues(partition, written)

    def _written(self, partition: int, first: int, transaction: Transaction) -> Snapshots:
        return [
            Snapshot.of(each.record)
            for each in self.broker.logs[Topic.SESSIONS][partition].entries[first:]
            if each.transaction is transaction and each.record is not None
        ]

    def _continues(self, partition: int, written: Snapshots) -> None:
        done = self._published.get(partition)
        if done is None:
            state = sessions_of(each for each in self._output(partition) if each not in written)
            if state != self._state[partition]:
                raise Violation(
                    f"the replay of partition {partition} begins with {len(state)} sessions that "
                    f"are not the {len(self._state[partition])} of its start"
                )
        done = done or 0
        # By which clock a timestamp was bounded does not count: a replay has another.
        written, due = (
            [each._replace(timestamp=0) for each in side]
            for side in (written, self._due[partition][done : done + len(written)])
        )
        if written != due and not self._same(written, due, self._undecided[partition]):
            raise Violation(
                f"the replay of partition {partition} published otherwise than live, after "
                f"{done} snapshots"
            )
        self._published[partition] = done + len(written)

    @staticmethod
    def _same(written: Snapshots, due: Snapshots, undecided: Container[tuple[bytes, int]]) -> bool:
        """Whether all is equal but what an erase has left to be decided otherwise."""
        if len(written) != len(due):
            return False
        for one, other in zip(written, due, strict=True):
            if one == other:
                continue
            if one.value is None or other.value is None:
                return False
            if (other.key, input_offset(other)) not in undecided:
                return False
            told, live = decode_session(one.value), decode_session(other.value)
            if not live["profileId"] or told | {"firstSession": live["firstSession"]} != live:
                return False
            if one._replace(value=b"") != other._replace(value=b""):
                return False
        return True

    def _output(self, partition: int) -> Snapshots:
        return [Snapshot.of(each) for each in self._records(Topic.SESSIONS, partition)]

    def _records(self, topic: Topic, partition: int) -> list[Record]:
        entries = self.broker.logs[topic][partition].entries
        return [each.record for each in entries if each.readable and each.record is not None]

    def finish(self) -> None:
        """See that all is published that live has, dead letters among it."""
        assert self.plan is not None
        for partition, (start, end) in self.plan.ranges.items():
            if self._published.get(partition, 0) != len(self._due[partition]):
                raise Violation(
                    f"the replay is at its end, and published {self._published.get(partition)} of "
                    f"{len(self._due[partition])} snapshots of partition {partition}"
                )
            letters = [letter_of(each) for each in self._records(Topic.DEAD_LETTERS, partition)]
            live = self.world.check.letters(partition)
            if letters != [each for each in live if start <= each[0] < end]:
                raise Violation(f"the replay's dead letters of partition {partition} are others")
        self.world.tell("the replay is at its end")
        self.done = True

    def refuse(self, message: str) -> None:
        """Take note that a process ended by itself."""
        assert self.plan is not None
        self.world.tell(f"the replay ends by itself: {message}")
        logs, ranges = self.world.broker.logs[Topic.UPDATES], self.plan.ranges
        lacking = "compaction has removed" in message or "compaction may have removed" in message
        if lacking and (self._lost() or self._unexplained(ranges)):
            self.done = True
            return
        if not any(
            logs[partition].start > self._offsets.get(partition, bounds.start)
            for partition, bounds in ranges.items()
        ):
            raise Violation(f"the replay ended by itself, without cause: {message}")
        self.done = True

    def unrest(self) -> str | None:
        return None if self.done else "the replay is not at its end"
