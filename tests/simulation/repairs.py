"""Repairs of offsets, once a process has ended and asked for one."""

from collections.abc import Callable, Mapping
from typing import Any

from fakes.log import FakeCoordination, FakeScan

from processor.errors import FailClosed, Unavailable
from processor.offsets.diagnosis import Diagnosis
from processor.offsets.setting import look, set_offsets
from processor.ports.log import (
    Committed,
)
from simulation.command import Command, Task
from simulation.world import CODECS, KEYS, stream_of

_BY_EVIDENCE = frozenset(
    {"no committed offset", "not committed by this service", "later commits are gone"}
)
"""What is said where the output and the letters have to tell where to go on."""


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


class RepairCommand(Command):
    """Every process is told to stop, offsets are repaired, and processes are started again."""

    name = "repair"

    def run(self, task: Task, port: Callable[[str, Any], Any]) -> None:
        world = self.world
        world.stop_all(task.clock)
        diagnosis = Diagnosis(
            stream=stream_of(world.broker),
            topics=lambda topic: topic.value,
            coordination=port("coordination", FakeCoordination(world.broker)),
            scan=port("scan", FakeScan(world.broker)),
            answered=CODECS.answered,
            event_id=CODECS.event_id,
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
        world.start_all()

    def remove_claims(self) -> None:
        server, claims = self.world.server, KEYS.claims()
        generation = server.text(claims, b"generation")
        server.delete(claims)
        server.delete(KEYS.holders(generation))

    def repaired(self, offsets: Mapping[int, Committed]) -> None:
        """See that the offsets are what the runbook promises, and go on from them."""
        exact = not any(each in _BY_EVIDENCE for each in self.world.evidence)
        self.world.check.repaired(
            {each: found.offset for each, found in offsets.items()}, exact=exact
        )
