"""Promotes: what a replay has made of the sessions becomes live, while no service is to run.

The replay's records are made here: of some sessions what they were earlier, of some an end. So a
promote has something to publish.
"""

from collections.abc import Sequence
from itertools import count
from random import Random

from oracle import Snapshot, decode_session

from processor.bootstrap.adapters import Log, takeover_of
from processor.cli.replay.promote import drive, join_alone
from processor.errors import FailClosed, Unavailable
from processor.partitions.takeover import first_position
from processor.ports.log import BatchAborted, LogUnavailable, ProducerLost, Record, Topic
from processor.replay.live_state import LiveState
from processor.replay.promote import Numbering, Promote, Staged
from processor.state.checkpoint import Promoted
from processor.state.ends import End
from simulation.committed import Promoting
from simulation.faults import arrange_for
from simulation.plan import Acts, Happens
from simulation.ports import Around
from simulation.scheduler import Violation
from simulation.world import CODECS, Process, World, stream_of

_AGAIN_S = 1.0
_BATCH = 2
NUMBERING = Numbering(
    lambda value: CODECS.values.seen(value).version,
    lambda value, version: CODECS.snapshots.write(
        CODECS.snapshots.read(value)._replace(version=version)
    ),
)


class PromoteProcess(Process):
    """`replay promote`: the only member of the group, for as long as it runs."""

    def __init__(self, promoter: "Promoter", name: str) -> None:
        super().__init__(promoter.world, name, promoter.world.broker)
        self.promoter = promoter

    def again(self) -> None:
        self.promoter.start()

    def _body(self) -> None:
        world = self.world
        log = self._adapters(Around(world.scheduler, self, world.away, world.trace)).log
        try:
            self.promoter.run(self, log)
        except (FailClosed, Unavailable, LogUnavailable, BatchAborted, ProducerLost) as error:
            world.tell(f"{self.name} ends: {error}")
            world.scheduler.after(_AGAIN_S, self.again)
        self.subscription.close()
        self.publication.close()


class Promoter:
    """A promote, from its beginning to its end, however many processes that takes."""

    def __init__(self, world: World, acts: Acts) -> None:
        self.world = world
        self.acts = acts
        self.done = False
        self._chance = Random(f"promote {acts.amount}")
        self._made = count(1)
        self._ends: dict[int, int] = {}
        """The input offsets up to which the replay has come."""
        self._again: dict[int, Sequence[Record]] = {}
        """What the replay has published, by partition."""
        self._name = ""

    def begin(self) -> None:
        self.start()
        self.world.at_steps_from_now(self.acts.faults, self._arrange)

    def start(self) -> None:
        if not self.done and not self._running():
            process = PromoteProcess(self, f"promote-{next(self._made)}")
            self.world.tell(f"{process.name} starts")
            self.world.scheduler.spawn(process)

    def unrest(self) -> str | None:
        return None if self.done else "the promote is not done"

    def run(self, process: PromoteProcess, log: Log) -> None:
        """Stop the services, publish, and start them again. Raises what the command raises."""
        world, stream = self.world, stream_of(self.world.broker)
        world.stop_all(process.clock)
        _, outputs = LiveState(stream, log.coordination, log.scan).look()
        self._stand()
        staged = []
        for partition in self._ends:
            staged.append(Staged(partition, outputs[partition].end, NUMBERING))
            for records in log.scan.read(Topic.SESSIONS, partition, 0, outputs[partition].end):
                staged[-1].live(records)
            staged[-1].again(self._again[partition])
        log.publication.replace()
        takeover = takeover_of(log, first_position("earliest", log.coordination), process.clock)
        join_alone(log.subscription, world.partitions, process.clock)
        for each in staged:
            promote = Promote(
                Promoted(self._name, self._ends[each.partition]),
                stream=stream,
                subscription=log.subscription,
                publication=log.publication,
                takeover=takeover,
                clock=process.clock,
                batch=_BATCH,
            )
            drive(log.subscription, promote(each))
            each.close()
        self._finish()

    def _finish(self) -> None:
        world = self.world
        left = {partition: each.due for partition, each in world.check.promotes.items() if each.due}
        if left:
            raise Violation(f"the promote is at its end, and did not publish {left}")
        world.tell("the promote is at its end")
        self.done = True
        world.start_all()

    def _stand(self) -> None:
        """Have the replay come to where the live service stands; see that nothing is under way."""
        check, committed = self.world.check, self.world.broker.committed
        ends = {partition: each.offset for partition, each in sorted(committed.items())}
        if any(check.offset(partition) != end for partition, end in ends.items()):
            raise Unavailable("a commit is under way")
        if ends == self._ends:
            return
        self._ends, self._name = ends, f"night-{sum(ends.values())}"
        check.promotes.clear()
        for partition in ends:
            self._again[partition] = [*self._replayed(partition)]

    def _replayed(self, partition: int) -> list[Record]:
        """Return a replay's last record of each key; tell the check what comes of it."""
        published = self.world.check.published(partition)
        last = {each.key: each for each in published}
        due, records = [], []
        for key, live in sorted(last.items()):
            earlier = [each for each in published if each.key == key and each.value is not None]
            told, version = live, None
            if live.value is not None:
                at = int(decode_session(live.value)["version"])
                chosen = self._chance.random()
                if chosen < 0.2:
                    told = _end(key, live.timestamp, at + self._chance.randint(-1, 1))
                    due.append((_end(key, live.timestamp, at), 0))
                elif chosen < 0.7:
                    told = self._chance.choice(earlier)
                    version = at + 1
            if version is not None and not _same(told, live):
                due.append((told, version))
            records.append(Record(partition, 0, told.timestamp, key, told.value, told.end))
        self.world.check.promotes[partition] = Promoting(due)
        return records

    def _running(self) -> PromoteProcess | None:
        tasks = self.world.scheduler.tasks
        return next((each for each in tasks if isinstance(each, PromoteProcess)), None)

    def _arrange(self, happens: Happens) -> None:
        process = self._running()
        if self.world.healed or process is None:
            return
        if happens.fault == "join":
            self.world.start()
            return
        arrange_for(self.world, process, happens)


def _end(key: bytes, timestamp: int, version: int) -> Snapshot:
    headers = End("erase", 0, "of-the-replay", version).headers()
    return Snapshot(key, None, timestamp, tuple((name, value or b"") for name, value in headers))


def _same(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots differ in their version alone."""
    assert one.value is not None
    assert other.value is not None
    fields = decode_session(other.value)
    return decode_session(one.value) | {"version": fields["version"]} == fields
