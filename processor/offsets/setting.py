"""Setting offsets as a repair decides, while nobody is in the group."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from processor.errors import FailClosed
from processor.offsets.diagnosis import Diagnosis
from processor.offsets.repair import Situation, Step, decide, next_epoch
from processor.partitions.committed import FaultKind
from processor.ports.log import Committed
from processor.state.checkpoint import CommitMetadata, Stream


class GroupOffsets(Protocol):
    """A group's offsets, set from outside of it."""

    def set(self, offsets: Mapping[int, Committed]) -> None:
        """Commit all of them or none. Raises FailClosed where somebody is in the group."""


class Repair(NamedTuple):
    """What was found of a stopped group, and what mends it."""

    found: list[Situation]
    steps: list[Step]
    epoch: int
    now: int
    """In milliseconds since 1970. When a session ended last is not known, if any has."""

    def commits(self, stream: Stream, identity: str) -> dict[int, Committed]:
        """Return what is to be committed, under an id that nobody else has."""
        return {
            step.partition: Committed(
                step.offset,
                CommitMetadata(
                    identity,
                    step.output,
                    stream,
                    self.epoch,
                    step.promoted,
                    former=step.former,
                    commands=step.commands,
                    ended=self.now if step.commands else None,
                ).encode(),
            )
            for step in self.steps
            if step.action == "set" and step.offset is not None
        }


def look(diagnosis: Diagnosis, partitions: Iterable[int]) -> Repair:
    """Look at partitions and decide what mends them; nothing is set.

    Raises what `Diagnosis.look` does, and FailClosed for what a newer version left.
    """
    found = [diagnosis.look(each) for each in partitions]
    every = range(diagnosis.stream.partitions)
    known = [diagnosis.metadata(diagnosis.committed(each)) for each in every]
    for each in found:
        if each.fault is not None and each.fault.kind is FaultKind.NEWER:
            raise FailClosed(each.fault.message, hint=each.fault.hint)
    steps = [decide(each, diagnosis.stream) for each in found]
    epoch = next_epoch([each for each in known if each is not None])
    return Repair(found, steps, epoch, diagnosis.clock.now_ms())


def set_offsets(
    diagnosis: Diagnosis,
    offsets: GroupOffsets,
    repair: Repair,
    identity: str,
    remove_claims: Callable[[], None],
) -> None:
    """Set what is to be set. Raises FailClosed where somebody has committed meanwhile.

    Redis may have claims that were not committed, of updates that are lost by now: nobody would
    have such a profile's first session. So `remove_claims` removes all that it has.
    """
    for each in repair.found:
        if diagnosis.committed(each.partition) != each.committed:
            raise FailClosed(
                f"the offset of partition {each.partition} was changed meanwhile by somebody else: "
                "nothing was set",
                hint="Stop every process of the group, then try again.",
            )
    commits = repair.commits(diagnosis.stream, identity)
    remove_claims()
    offsets.set(commits)
    for partition, committed in commits.items():
        if diagnosis.committed(partition) != committed:
            raise FailClosed(
                f"the offset of partition {partition} was set, and is not what it was set to",
                hint="See that no other process commits for the group, then try again.",
            )
