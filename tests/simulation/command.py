"""A command beside the services: its processes, and what happens to them.

It is what the command line runs, on the fakes; who is killed is followed by the same command.
"""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from processor.errors import Unavailable
from processor.kafka.transactions import Superseded
from processor.ports.log import (
    BatchAborted,
    LogUnavailable,
    ProducerLost,
)
from simulation.plan import Acts, Happens
from simulation.ports import UNANSWERED, Around, Call, Happening, SimulatedTask
from simulation.sender import SimulatedSender
from simulation.world import OwnClock, World

_AGAIN_S = 1.0
_LOST = UNANSWERED | {
    "sender.open": LogUnavailable,
    "sender.positions": LogUnavailable,
    "sender.transact": ProducerLost,
    "offsets.set": LogUnavailable,
}


class Task(SimulatedTask):
    """A command's process."""

    def __init__(self, name: str, command: "Command") -> None:
        super().__init__(name, partial(command.body, self))
        self.clock = OwnClock(command.world.scheduler, self)
        self.sender: SimulatedSender | None = None


class Command:
    """A command, from its beginning to its end, however many processes that takes."""

    name: str

    def __init__(self, world: World, acts: Acts) -> None:
        self.world = world
        self.done = False
        self.acts = acts
        self.latest: Task
        self._made = count(1)
        self._tasks: list[Task] = []

    def begin(self) -> None:
        self.start()
        self.world.at_steps_from_now(self.acts.faults, self._arrange)

    def start(self) -> None:
        self.latest = Task(f"{self.name}-{next(self._made)}", self)
        self._tasks = [*(each for each in self._tasks if not each.dead), self.latest]
        self.world.tell(f"{self.latest.name} starts")
        self.world.scheduler.spawn(self.latest)

    def body(self, task: Task) -> None:
        world = self.world
        around = Around(world.scheduler, task, world.away, world.trace)
        try:
            self.run(task, around.port)
            self.done = True
        except (LogUnavailable, Unavailable) as error:
            world.tell(f"{task.name} ends: {error}")
            others = any(each is not task and not each.dead for each in self._tasks)
            # Whoever is told that another goes on lets it: of several none would come to its end.
            if not (others and isinstance(error, Superseded)):
                world.scheduler.after(_AGAIN_S, self.start)

    def run(self, task: Task, port: Callable[[str, Any], Any]) -> None:
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


def _kill(command: Command, task: Task, happens: Happens) -> None:
    command.world.scheduler.end(task)
    command.world.scheduler.after(happens.seconds, command.start)


def _stop(command: Command, task: Task, happens: Happens) -> None:
    """Stop it; the same command is begun beside it, before it goes on."""
    scheduler = command.world.scheduler
    task.stopped = True
    scheduler.after(happens.seconds / 2, command.start)
    scheduler.after(happens.seconds, lambda: setattr(task, "stopped", False))


def _unanswered(_command: Command, _task: Task, _happens: Happens, call: Call) -> None:
    raise _LOST[call.method](f"{call.method}: no answer (simulated)")


def _answer_lost(_command: Command, _task: Task, _happens: Happens, call: Call) -> None:
    call.do()
    raise _LOST[call.method](f"{call.method}: its answer was lost (simulated)")


def _refused(_command: Command, _task: Task, _happens: Happens, call: Call) -> None:
    raise BatchAborted(f"{call.method}: refused (simulated)")


def _commit_later(command: Command, task: Task, happens: Happens, call: Call) -> None:
    assert task.sender is not None
    command.world.scheduler.after(happens.seconds, task.sender.prepare(*call.args))
    raise ProducerLost("the commit's answer did not come (simulated)")


def _commit_never_ends(_command: Command, task: Task, _happens: Happens, call: Call) -> None:
    assert task.sender is not None
    task.sender.prepare(*call.args)
    raise ProducerLost("the offsets were sent, the end was not (simulated)")


FAULTS: dict[str, Callable[[Command, Task, Happens], None]] = {"kill": _kill, "stop": _stop}
CALL_FAULTS: dict[str, Callable[[Command, Task, Happens, Call], None]] = {
    "unanswered": _unanswered,
    "answer lost": _answer_lost,
    "refused": _refused,
    "commit later": _commit_later,
    "commit never ends": _commit_never_ends,
}
