"""Which command begins when, beside the services."""

from collections.abc import Callable
from typing import Any

from simulation.plan import Acts
from simulation.promotes import Promoter
from simulation.redrives import RedriveCommand
from simulation.repairs import RepairCommand
from simulation.replays import Replay
from simulation.world import World

COMMANDS: dict[str, Callable[[World, Acts], Any]] = {
    "redrive": RedriveCommand,
    "replay": Replay,
    "promote": Promoter,
}


def begin(world: World, acts: Acts) -> None:
    """Have a command begin at its step; a repair begins once somebody asked for it."""
    if acts.actor == "repair":
        repair = RepairCommand(world, acts)
        world.repair = repair.begin
        return
    command = COMMANDS[acts.actor](world, acts)
    world.commands.append(command)
    world.scheduler.at_step(acts.step, command.begin)
