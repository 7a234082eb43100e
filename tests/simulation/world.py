"""Two to four whole services, wired as in production, on one simulated broker and Redis."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Any, Protocol

from avro_bytes import FAST, SCHEMAS
from fakes.broker import Transaction
from fakes.clock import FakeClock
from fakes.commands import FakeCommands
from fakes.executor import LateExecutor
from fakes.log import FakeCoordination, FakeScan
from fakes.redis import FakeDirectory, FakeSessionCache
from fakes.service import FACTS
from greenlet import getcurrent

from processor.bootstrap.adapters import Adapters, Log
from processor.bootstrap.codecs import running_codecs
from processor.bootstrap.runs import Run, live_run
from processor.bootstrap.wiring import Limits, Service, wire
from processor.demo.traffic import START
from processor.errors import ProcessorError
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.log import Topic
from processor.redis.keys import Keys
from processor.state.checkpoint import Stream
from processor.state.expiry import Keep
from processor.telemetry.health import Health
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer
from simulation.check import CLUSTER, Check
from simulation.history import SNAPSHOT_LIMIT, history
from simulation.plan import Happens, Plan
from simulation.ports import Around, SimulatedTask
from simulation.scheduler import Scheduler, Violation
from simulation.servers import (
    SimulatedBroker,
    SimulatedClaims,
    SimulatedPublication,
    SimulatedServer,
    SimulatedSubscription,
)

KEYS = Keys("sim")
SESSION_TIMEOUT_S = 4.0
CODECS = running_codecs(SCHEMAS, FAST, None, None, SYSTEM_CLOCK)
START_S = START // 1000
ROLL_MS = 20_000
"""How old a segment becomes: simulations last for a minute or so."""
KEEP: Keep = dict.fromkeys(("open", "closed"), -(10**12))
"""Less than no time: whatever stands is due, at every sweep, also what is ahead of the clock."""
METRICS = Metrics("simulation")
"""Of all simulations: nobody reads them, and to make them takes longer than a few commits."""

LATE = 0.8
"""How many commits that may be under way are made when they are awaited, the others at once."""

Step = tuple[int, float, str, str, Sequence[Any], Any]
"""Of the trace: number, time, process, what, arguments, result."""


class _SharedClock(FakeClock):
    """The brokers' clock; who waits by it is the process that runs."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def monotonic(self) -> float:
        return self._scheduler.now

    def now_ms(self) -> int:
        return int((START_S + self._scheduler.now) * 1000)

    def wait(self, seconds: float) -> None:
        running = getcurrent()
        task = next(each for each in self._scheduler.tasks if each.greenlet is running)
        self._scheduler.sleep(task, seconds)


class OwnClock:
    """A process's clock: its time of day may be wrong."""

    def __init__(self, scheduler: Scheduler, task: SimulatedTask) -> None:
        self._scheduler = scheduler
        self._task = task
        self.wrong_by = 0.0

    def monotonic(self) -> float:
        return self._scheduler.now

    def now_ms(self) -> int:
        return int((START_S + self._scheduler.now + self.wrong_by) * 1000)

    def wait(self, seconds: float) -> None:
        self._scheduler.sleep(self._task, seconds)


class _Stopping(Event):
    """Is set by SIGTERM. Its time passes in the simulation."""

    def __init__(self, clock: OwnClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.wait(timeout or 0.0)
        return self.is_set()


class Process(SimulatedTask):
    """One process: its service, and its ports as the servers see them."""

    keys = KEYS

    def __init__(self, world: "World", name: str, broker: SimulatedBroker) -> None:
        super().__init__(name, self._body)
        self.world = world
        self.broker = broker
        self.clock = OwnClock(world.scheduler, self)
        self.stopping = _Stopping(self.clock)
        self.health = Health(self.clock)
        self.subscription = SimulatedSubscription(broker)
        self.cache = FakeSessionCache(world.server, self.keys)
        self.claims = SimulatedClaims(world.server, self.keys)
        self.publication = SimulatedPublication(
            broker, self.claims, lambda: world.scheduler.point(self)
        )
        self.directory = FakeDirectory(world.server, self.keys)
        self.commands = FakeCommands(broker)
        self.service: Service | None = None

    def move_to(self, server: SimulatedServer) -> None:
        """Have the process talk to another primary."""
        self.cache._server = self.claims._server = self.directory._server = server

    def again(self) -> None:
        """Start another in its place."""
        self.world.start()

    def run_of(self, adapters: Adapters) -> Run:
        return live_run(adapters, "earliest")

    def ends(self, error: ProcessorError) -> None:
        """Take note of why it ends by itself."""
        self.world.ended(self, error)

    def _body(self) -> None:
        world = self.world
        adapters = self._adapters(Around(world.scheduler, self, world.away, world.trace))
        plan = world.plan
        keep = KEEP if plan.retains else {}
        limits = Limits(plan.max_batch, SNAPSHOT_LIMIT, plan.cache_bytes, part=plan.part, keep=keep)
        self.service = wire(
            adapters,
            CODECS,
            limits,
            self.run_of(adapters),
            stopping=self.stopping,
            observer=Observer(self.health, METRICS, self.clock),
        )
        try:
            self.service.runner.run()
        except ProcessorError as error:
            self.ends(error)
        adapters.log.subscription.close()
        adapters.log.publication.close()

    def _late(self) -> bool:
        return self.world.scheduler.chance.random() < LATE

    def _adapters(self, around: Around) -> Adapters:
        broker, port = self.broker, around.port
        log = Log(
            stream_of(broker),
            FACTS._replace(roll_ms=ROLL_MS),
            lambda topic: topic.value,
            port("subscription", self.subscription),
            port("publication", self.publication),
            port("coordination", FakeCoordination(broker)),
            port("scan", FakeScan(broker)),
            "broker:9092",
        )
        return Adapters(
            log,
            port("cache", self.cache),
            port("claims", self.claims),
            port("directory", self.directory),
            None,
            None,
            self.clock,
            port("commands", self.commands),
            port("scan", FakeScan(broker)),
            LateExecutor(self._late),
        )


def stream_of(broker: SimulatedBroker) -> Stream:
    ids = broker.ids
    return Stream(
        CLUSTER,
        ids[Topic.UPDATES],
        ids[Topic.SESSIONS],
        ids[Topic.DEAD_LETTERS],
        ids[Topic.CLAIMS],
        len(broker.logs[Topic.UPDATES]),
        "single-object",
    )


class Command(Protocol):
    """A command that was begun beside the services."""

    def unrest(self) -> str | None:
        """Return what it has still to do."""


class World:
    """All of one simulation."""

    def __init__(self, plan: Plan, trace: Callable[[Step], None] | None) -> None:
        self.plan = plan
        self.partitions = plan.partitions
        self.scheduler = Scheduler(plan.seed, switching=plan.switching, latency=plan.latency)
        self.history = history(plan.history, plan.partitions)
        self.check = Check(self.history, KEYS)
        self.broker = SimulatedBroker(
            plan.partitions,
            self.scheduler,
            _SharedClock(self.scheduler),
            self._committed,
            marker_delay=plan.marker_delay,
            quiet=plan.quiet,
        )
        self.broker.chunk = plan.chunk
        self.check.broker = self.broker
        self.server = SimulatedServer(self.scheduler, self.check.put)
        self.away: dict[str, float] = {}
        self.commands: list[Command] = []
        self.checks: dict[str, Callable[[str, Transaction], None]] = {}
        """Who looks at what is committed under which transactional id, besides the services."""
        self.repair: Callable[[], None] | None = None
        """Begins a repair, once somebody has ended by itself."""
        self.healed = False
        self.evidence: list[str] = []
        """What processes say that end by themselves, as they have to."""
        self.endings: list[str] = []
        self.happened = 0
        self.trace = None if trace is None else self._traced
        self._told = trace
        self._fed = 0
        self._made = 0

    def _committed(self, identity: str, transaction: Transaction) -> None:
        self.checks.get(identity, self.check.commit)(identity, transaction)

    def tell(self, what: str) -> None:
        """Take note of a fault in the trace."""
        if self._told is not None:
            self._told((self.scheduler.step, self.scheduler.now, "", what, (), None))

    def _traced(self, task: SimulatedTask, method: str, args: Sequence[Any], result: Any) -> None:
        assert self._told is not None
        self._told((self.scheduler.step, self.scheduler.now, task.name, method, args, result))

    # Processes

    @property
    def processes(self) -> list[Process]:
        """The services."""
        return [each for each in self.scheduler.tasks if type(each) is Process]

    def start(self) -> None:
        self._made += 1
        process = Process(self, f"P{self._made}", self.broker)
        self.tell(f"{process.name} starts")
        self.scheduler.spawn(process)

    def stop_all(self, clock: OwnClock) -> None:
        """Have every service end, and wait until none is in the group; a command does so."""
        while self.processes or self.broker.group.members:
            for process in self.processes:
                process.stopping.set()
            clock.wait(0.5)

    def start_all(self) -> None:
        """Start as many services as there were, and have all input come."""
        while len(self.processes) < self.plan.processes:
            self.start()
        self.feed_all()

    def at_steps_from_now(
        self, faults: Sequence[Happens], arrange: Callable[[Happens], None]
    ) -> None:
        """Arrange the faults of a command that begins now."""
        for happens in faults:
            self.scheduler.at_step(self.scheduler.step + happens.step, partial(arrange, happens))

    def kill(self, process: Process, restart_in: float) -> None:
        """End a process where it stands; another is started in its place."""
        self.tell(f"{process.name} is killed")
        self.scheduler.end(process)
        self._forget_member(process, lambda: True)
        self.scheduler.after(restart_in, process.again)

    def stop(self, process: Process, seconds: float) -> None:
        """Stop a process as SIGSTOP does, and have it go on."""
        if process.stopped:
            return
        self.tell(f"{process.name} stops")
        process.stopped = True
        self._forget_member(process, lambda: process.stopped)

        def go_on() -> None:
            if not process.dead and process.stopped:
                self.tell(f"{process.name} goes on")
                process.stopped = False

        self.scheduler.after(seconds, go_on)

    def _forget_member(self, process: Process, still: Callable[[], bool]) -> None:
        member = process.subscription.member

        def forget() -> None:
            if still() and process.subscription.member == member:
                process.broker.group.leave(member)

        self.scheduler.after(SESSION_TIMEOUT_S, forget)

    def ended(self, process: Process, error: ProcessorError) -> None:
        """Take note that a process ended by itself. Raises Violation unless there was cause."""
        self.endings.append(f"{process.name}: {error.message}")
        self.tell(f"{process.name} ends by itself: {error.message}")
        if not any(each in error.message for each in self.evidence):
            raise Violation(
                f"{process.name} ended by itself, without cause: {error.message}"
            ) from error

    def proof(self, what: str, message: str) -> None:
        """Note what was done to the servers, and what is to be said of it."""
        self.tell(what)
        self.evidence.append(message)

    def move_all(self, but: Process | None = None) -> None:
        """Have every process talk to the present primary."""
        for each in self.scheduler.tasks:
            if isinstance(each, Process) and each is not but:
                each.move_to(self.server)

    # Input

    def feed(self, count: int) -> None:
        if self.evidence:
            return
        for _ in range(min(count, len(self.history.feeds) - self._fed)):
            self.broker.feed(self.history.feeds[self._fed])
            self._fed += 1

    def feed_all(self) -> None:
        self.feed(len(self.history.feeds))

    # The end

    def heal(self) -> None:
        """End all faults: what is wrong from now on, the services mend."""
        self.tell("all faults end")
        self.healed = True
        self.away.clear()
        self.broker.available = True
        self.broker.leaders_away.clear()
        self.server.available = True
        self.server.full = False
        for task in self.scheduler.tasks:
            task.stopped = False
            if isinstance(task, SimulatedTask):
                task.armed.clear()
            if isinstance(task, Process):
                task.stopping.clear()
        self.move_all()
        if not self.processes:
            self.start()
        self.feed_all()

    def _repair(self) -> str:
        if not self.endings:
            return f"nobody says {self.evidence}"
        if self.repair is not None:
            begin_repair, self.repair = self.repair, None
            begin_repair()
        return "the repair is not done"

    def unrest(self) -> str | None:
        """Return what is still to be done, None where all is processed and ready."""
        if self.evidence:
            return self._repair()
        told = (each.unrest() for each in self.commands)
        if why := next((each for each in told if each), None):
            return why
        if not self.check.processed():
            return "input is not processed"
        if unpassed := self.check.unpassed():
            return f"markers are not passed, partition {unpassed}"
        for process in self.processes:
            good, body = process.health.ready()
            if not good:
                return f"{process.name} is not ready: {body['reasons']}"
        lacking = self.check.lacking(self.server)
        return lacking and f"Redis lacks {lacking}"


def quietly(action: Callable[[], object], *errors: type[Exception]) -> None:
    """Do what was asked for long ago; nobody hears what becomes of it."""
    with suppress(*errors):
        action()
