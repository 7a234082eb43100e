"""What a transaction of the pipeline has so far."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from processor.core.command import SessionCommand
from processor.core.outcome import Ended, Reason
from processor.ports.log import Record
from processor.ports.tracing import Sampled, TracedUpdate
from processor.stages.batch import CommandRecord, Decoded, Folded, RejectedRecord
from processor.telemetry.metrics import Metrics


def gives_up_claims(update: Decoded) -> bool:
    """Whether it is an erase that names profiles."""
    return isinstance(update, SessionCommand) and bool(update.profiles)


def trace_of(sampled: Sequence[Sampled | TracedUpdate]) -> str | None:
    """Return the id of the trace of the first sampled record, if there is one."""
    return sampled[0].context.trace_id if sampled else None


class Batch:
    """The parts of a transaction, folded and sent."""

    def __init__(self, start: float) -> None:
        """Take when it began (monotonic)."""
        self.start = start
        self.commit_seconds = 0.0
        """How long its commit took, since all was sent."""
        self.waited_ms: int | None = None
        """Since its first record was produced, when it was committed; None is not known."""
        self.changed = defaultdict[int, dict[bytes, bytes | None]](dict)
        self.letters: list[RejectedRecord] = []
        self.accepted = self.duplicates = self.taken = self.size = self.hits = self.misses = 0
        self.commands: list[CommandRecord] = []
        self.commanded = set[int]()
        """The partitions of which there is a command."""
        self.ended = set[int]()
        """Those of which a command has ended something."""
        self.claimed = self.ended_claims = False
        self.generation = ""
        self.traced: list[TracedUpdate] = []
        """What became of the sampled records."""

    @property
    def alone(self) -> bool:
        """Whether it has an erase that names profiles, and so nothing else.

        The claims that others take in its transaction would hang on claims that are not removed.
        """
        return bool(self.commands and self.commands[0].command.profiles)

    def room(self, updates: Sequence[Decoded]) -> int:
        """Return how many of the next updates may be added; an erase is not where there are any."""
        if SessionCommand in set(map(type, updates)):
            for place, update in enumerate(updates):
                if gives_up_claims(update):
                    return place or int(self.taken == 0)
        return len(updates)

    def add(self, part: Folded, sampled: Sequence[Sampled] = ()) -> None:
        """Take note of a part that was sent, and of its sampled records among those before it."""
        if sampled:
            self.traced += _outcomes(part, sampled)
        for partition, snapshots in part.changed.items():
            self.changed[partition].update(snapshots)
        self.letters += part.letters
        for each in part.letters:
            if each.rejected.command:
                self.commanded.add(each.record.partition)
        for command in part.commands:
            self.commanded.add(command.record.partition)
            if isinstance(command.outcome, Ended):
                self.ended.add(command.record.partition)
        self.commands += part.commands
        self.accepted += len(part.snapshots) - sum(each.ends for each in part.commands)
        self.duplicates += part.duplicates
        self.taken += part.taken
        self.size += part.size
        self.claimed = self.claimed or bool(part.claims or part.ended_claims)
        self.ended_claims = self.ended_claims or bool(part.ended_claims)

    def updates(
        self, records: Sequence[Record]
    ) -> tuple[Sequence[Record], Sequence[RejectedRecord]]:
        """Return those of the batch's records, and of its letters, that are of no command."""
        if not self.commanded:
            return records, self.letters
        letters = [each for each in self.letters if not each.rejected.command]
        commands = {id(each.record) for each in self.commands}
        commands |= {id(each.record) for each in self.letters if each.rejected.command}
        return [each for each in records if id(each) not in commands], letters

    def count(self, metrics: Metrics, seconds: float) -> None:
        """Count what became of it, so many seconds after it began."""
        rejected: dict[Reason, int] = Counter(letter.rejected.reason for letter in self.letters)
        metrics.batch(
            accepted=self.accepted,
            duplicates=self.duplicates,
            rejected=rejected,
            commands=Counter((each.command.command, each.outcome.name) for each in self.commands),
            expired=Counter(
                each.command.state or ""
                for each in self.commands
                if each.command.command == "expire" and isinstance(each.outcome, Ended)
            ),
            seconds=seconds,
            commit_seconds=self.commit_seconds,
            end_to_end_seconds=None if self.waited_ms is None else self.waited_ms / 1000,
        )


def _outcomes(part: Folded, sampled: Sequence[Sampled]) -> Iterator[TracedUpdate]:
    """Yield what became of those sampled records that were taken."""
    reasons = {id(each.record): str(each.rejected.reason) for each in part.letters}
    commands = {id(each.record): each.outcome.name for each in part.commands}
    others = part.taken - len(part.snapshots)
    for place, record, context in sampled:
        if place >= part.taken:
            return
        # Snapshots stand in the order of their records, so one is not far from its record's place.
        near = part.accepted[max(0, place - others) : place + 1]
        accepted = any(each is record for each in near)
        reason = reasons.get(id(record))
        outcome = "rejected" if reason else "accepted" if accepted else "duplicate"
        outcome = commands.get(id(record), outcome)
        yield TracedUpdate(record.partition, record.offset, context, outcome, reason)
