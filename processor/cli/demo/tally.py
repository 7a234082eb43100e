"""What became of the demo's updates, as a reader of the topics sees it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from processor.cli.common.topic_reader import TopicReader
from processor.config import Settings
from processor.core.outcome import Reason
from processor.dead_letters.letter import in_short
from processor.ports.log import Record, Topic

Fields = Mapping[str, Any]

_KEPT: Final = 600
_LONGEST: Final = 8
_SHORTEST: Final = 4


@dataclass(slots=True)
class DemoTally:
    """Counts over all updates, and the histories of the sessions that were seen first."""

    updates: int
    snapshots: int = 0
    sessions: int = 0
    profiles: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    letter: Record | None = None
    """A dead letter worth showing: its update can be read."""
    histories: dict[bytes, list[bytes]] = field(default_factory=dict)

    @property
    def duplicates(self) -> int:
        """The updates that left neither a snapshot nor a dead letter."""
        return self.updates - self.snapshots - self.rejected.total()


def tally(settings: Settings, updates: int) -> DemoTally:
    """Read all topics from end to end, read_committed."""
    found = DemoTally(updates)
    keys: set[bytes] = set()
    for record in TopicReader(settings, Topic.SESSIONS).all():
        if record.value is None:
            continue  # the end of a session: somebody sent a command
        found.snapshots += 1
        key = record.key or b""
        keys.add(key)
        if key in found.histories or len(found.histories) < _KEPT:
            found.histories.setdefault(key, []).append(record.value)
    found.sessions = len(keys)
    for record in TopicReader(settings, Topic.DEAD_LETTERS).all():
        reason = in_short(record).reason
        found.rejected[reason] += 1
        if found.letter is None and reason == Reason.TRANSITION_NOT_ALLOWED:
            found.letter = record
    claims = TopicReader(settings, Topic.CLAIMS).all()
    found.profiles = len({record.key for record in claims})
    return found


def worth_showing(histories: Sequence[Sequence[Fields]]) -> list[Sequence[Fields]]:
    """Return a few sessions: one that was bought, one cancelled, one of a profile's later visits.

    Each is short enough to read, and has more to tell than that somebody came.
    """
    readable = [each for each in histories if _SHORTEST <= len(each) <= _LONGEST]
    readable.sort(key=lambda each: len(each[-1]["cartItems"]), reverse=True)
    wanted: Sequence[Callable[[Fields], object]] = (
        lambda last: last["state"] == "closed" and last["cartItems"] and last["profileId"],
        lambda last: last["state"] == "cancelled",
        lambda last: last["profileId"] and not last["firstSession"],
    )
    chosen: list[Sequence[Fields]] = []
    for test in wanted:
        fitting = (each for each in readable if test(each[-1]) and each not in chosen)
        chosen.extend(list(fitting)[:1])
    return chosen or list(histories[:1])
