"""What `offsets repair` sets a partition's offset to, and what that loses or repeats.

Pure: what was found comes in, a step comes out. `processor.offsets.diagnosis` finds it.
"""

from typing import Final, Literal, NamedTuple

from processor.partitions.committed import FaultKind, OffsetFault, changes
from processor.ports.log import Committed, Extent
from processor.state.checkpoint import CommitMetadata, Promoted, Stream

Action = Literal["keep", "virgin", "set"]


class Evidence(NamedTuple):
    """The highest input offsets that the output and the dead letters answer; -1 for none."""

    snapshots: int = -1
    letters: int = -1
    former: int = -1
    """The highest one that is a former log's: the input has something else there, or nothing."""
    former_end: int | None = None
    """The output offset behind a former log's snapshots, where there are any."""
    letters_expired: bool = False
    """Whether there were dead letters that nothing is known of any more."""

    @property
    def highest(self) -> int:
        """The last input offset that was answered."""
        return max(self.snapshots, self.letters)


class Situation(NamedTuple):
    """All that is known of one partition."""

    partition: int
    committed: Committed | None
    metadata: CommitMetadata | None
    """Of the committed offset, where it can be read, whatever it says."""
    fault: OffsetFault | None
    updates: Extent
    output: Extent
    evidence: Evidence


class Step(NamedTuple):
    """What to do with one partition."""

    partition: int
    action: Action
    fault: OffsetFault | None
    before: int | None
    """The committed offset as it is."""
    offset: int | None
    """What to set it to."""
    output: int
    """The next output offset to commit with it."""
    lost: tuple[int, int] | None
    """Input offsets, from and to, whose updates were never answered and have expired."""
    notes: tuple[str, ...]
    """What else is lost or repeated."""
    promoted: Promoted | None = None
    """What stays known of the last replay that was made live."""
    former: int | None = None
    """As in `CommitMetadata`, as is the next."""
    commands: bool = False


_CLAIMS_GONE: Final = (
    "the claims of profiles are gone: the next session of each profile counts as its first again"
)
_MOVED: Final = (
    "sessions stay in the partitions where they are: an update whose key now belongs to another "
    "partition finds no session there, and begins a new one or is rejected"
)
_CHANGED: Final = {
    "claims": _CLAIMS_GONE,
    "partitions": _MOVED,
    "dead_letters": "the letters of the former dead-letter topic are gone",
    "formats": "updates in a format that is no longer read are rejected from here on",
    "framing": "the output holds values in both framings from here on",
    "updates": "the former input's offsets mean nothing in the new one: it is processed from its "
    "start; updates that only the former one had are lost",
}
_OUTPUT_NOT_EMPTY: Final = (
    "the new output has snapshots already, and updates are folded upon them: to begin with "
    "nothing, set nothing now; delete the output and create it once more, then repair"
)
_SEEN_AGAIN: Final = (
    "published snapshots are gone, and the updates from here on are folded again: readers of the "
    "former snapshots see them again"
)
_DUPLICATES: Final = (
    "updates after the last one that was answered are read again: they were duplicates, and are "
    "counted once more; but where a session has ended since and compaction has removed all of it, "
    "they begin it again"
)
_LETTERS_EXPIRED: Final = (
    "dead letters have expired: what only they answered, and is read again, is rejected again"
)
_MAY_REPEAT: Final = (
    "every record of the log is processed: an update that was processed before and is not among "
    "the last 16 of its session is answered a second time"
)


def decide(found: Situation, stream: Stream) -> Step:
    """Return what mends a partition; one that has no trouble is kept as it is."""
    before = None if found.committed is None else found.committed.offset
    if found.fault is None:
        action: Action = "virgin" if found.committed is None else "keep"
        return Step(found.partition, action, None, before, None, 0, None, ())
    offset, notes = _aim(found, stream)
    start, _, end = found.updates
    lost = None
    if offset < start:
        lost = (offset, start - 1)
        notes.append(
            f"input offsets {offset} to {start - 1} have expired: if updates were among them, they "
            "will never be answered; if erasures were, they are to be sent again"
        )
    elif offset > end:
        notes.append(f"the input ends at {end}: what it had above is gone, and was answered")
    offset = min(max(offset, start), end)
    return Step(
        found.partition,
        "set",
        found.fault,
        before,
        offset,
        found.output.stable_end,
        lost,
        tuple(notes),
        *_past(found, stream, offset),
    )


def _past(
    found: Situation, stream: Stream, offset: int
) -> tuple[Promoted | None, int | None, bool]:
    """Return what stays known of the past: `promoted`, `former` and `commands`."""
    metadata, committed = found.metadata, found.committed
    if metadata is None or committed is None:
        # Commands may have been passed, and no record tells.
        return None, found.evidence.former_end, True
    changed = changes(metadata.stream, stream)
    if "updates" in changed:
        return None, found.output.stable_end or None, metadata.commands
    former = None if "sessions" in changed else metadata.former
    # Where later commits are gone, there may have been commands behind this one.
    return metadata.promoted, former, metadata.commands or offset > committed.offset


def _aim(found: Situation, stream: Stream) -> tuple[int, list[str]]:
    """Return the first input offset that is not answered, expired or not, and what to know."""
    evidence, metadata, start = found.evidence, found.metadata, found.updates.start
    if metadata is None or found.committed is None:
        return _by_evidence(found)
    changed = changes(metadata.stream, stream)
    notes = [told for field, told in _CHANGED.items() if field in changed]
    if "updates" in changed:
        return start, notes
    kind = None if found.fault is None else found.fault.kind
    if "sessions" in changed:
        # What a process published there before it saw the change, it made of what is gone.
        if evidence.snapshots >= 0:
            notes.append(_OUTPUT_NOT_EMPTY)
        return start, [*notes, *_folded_again(found, start, whole=True)]
    if kind is FaultKind.OUTPUT_SHORT:
        # The truth is what is in the output now, so what is missing there is to be folded again.
        offset = evidence.snapshots + 1 if evidence.snapshots >= 0 else start
        return offset, [*notes, *_folded_again(found, offset, whole=evidence.snapshots < 0)]
    committed = found.committed.offset
    if kind is FaultKind.WENT_BACK:
        offset = max(committed, evidence.highest + 1)
        if offset > committed:
            notes.append(f"input offsets {committed} to {offset - 1} were answered already")
        return offset, [*notes, *_expired(found), _DUPLICATES]
    # What is committed with our metadata, by the same input, is exact.
    return committed, notes


def _folded_again(found: Situation, offset: int, *, whole: bool) -> list[str]:
    """Return what to know where snapshots are gone, and updates from `offset` on come again."""
    start, letters = found.updates.start, found.evidence.letters
    notes = [_SEEN_AGAIN]
    if start > 0 and whole:
        notes.append(
            f"updates before {start} have expired, and what they made of their sessions with them"
        )
    if letters >= offset:
        notes.append(f"dead letters of input offsets {offset} to {letters} come again")
    return notes


def _by_evidence(found: Situation) -> tuple[int, list[str]]:
    """Return where to go on where no commit of ours tells."""
    evidence, start = found.evidence, found.updates.start
    notes = []
    if evidence.former > evidence.highest:
        notes.append(
            f"input offset {evidence.former} was answered, and it was another log's: the input was "
            "deleted and created again; updates that only the former one had are lost"
        )
    notes += _expired(found)
    if evidence.highest >= 0:
        return evidence.highest + 1, [*notes, _DUPLICATES]
    if evidence.former >= 0:
        return start, [*notes, _MAY_REPEAT]
    return start, notes or ["nothing was published for it: it begins at the start of the log"]


def _expired(found: Situation) -> list[str]:
    return [_LETTERS_EXPIRED] if found.evidence.letters_expired else []


def next_epoch(known: list[CommitMetadata]) -> int:
    """Return the epoch of a repair: above all that are known, so that every cache is rebuilt."""
    return max((each.epoch for each in known), default=0) + 1
