"""What the records of one session say, one after another: what changed, what is missing, ends.

Compaction leaves some of them. Versions count from 1 in each life; offsets alone order records.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from processor.avro.codec import SESSION_FIELDS
from processor.core.session import Session
from processor.ports.log import Record
from processor.state.ends import End, end_of

Fields = Mapping[str, object]
Change = tuple[object, object]
"""A field's old value, and its new one."""

OWN: Final = frozenset(
    {"previousState", "version", "updated", "lastEventId", "inputOffset", "eventMemory"}
)
"""What the processor counts with: it changes each time, or tells of the field `state`."""


class Step(NamedTuple):
    """One record of a session, and what it says beside the one before it."""

    record: Record
    session: Session | None
    """None of a tombstone."""
    end: End | None
    """None of a snapshot, and of a tombstone that the processor did not write."""
    life: int
    """Counted from 1, of those that there are records of."""
    begins: bool
    """Whether it is the first record of its life."""
    after_end: bool
    """Whether the end of the life before is there, where it begins a further one."""
    missing: tuple[int, int] | None
    """The versions before it that are not there, from the first to the last."""
    changes: Mapping[str, Change] | None
    """None of a tombstone, and of a snapshot that has none of its life to be compared with."""

    @property
    def version(self) -> int | None:
        """The snapshot's version, or the one that the end ended."""
        if self.session is not None:
            return self.session.version
        return None if self.end is None else self.end.version


class Lives:
    """Takes the records of one session in one partition, in their order."""

    def __init__(self, session_of: Callable[[Record], Session]) -> None:
        self._session_of = session_of
        self._life = 0
        self._known = 0
        self._last: Session | None = None
        self._ended = True

    def step(self, record: Record) -> Step:
        """Return what the next record says. Raises what reading a snapshot does."""
        if record.value is not None:
            return self._snapshot(record, self._session_of(record))
        end = end_of(record.headers)
        if end is None:
            # Whether the session ended with it is not for it to say: what follows tells.
            return Step(record, None, None, self._life, False, False, None, None)
        begins = self._ended or end.version < self._known
        step = self._take(record, end.version, begins=begins)._replace(end=end)
        self._ended, self._last = True, None
        return step

    def _snapshot(self, record: Record, session: Session) -> Step:
        last = self._last
        other = last is not None and last.created != session.created
        begins = self._ended or other or session.version <= self._known
        step = self._take(record, session.version, begins=begins)
        before = None if begins else last
        if before is None and session.version == 1:
            before = Session(session.integration_id, session.created, session.application_id)
        self._last = session
        changes = None if before is None else _changes(before, session)
        return step._replace(session=session, changes=changes)

    def _take(self, record: Record, version: int, *, begins: bool) -> Step:
        after_end = begins and self._ended and self._life > 0
        if begins:
            self._life, self._known, self._last = self._life + 1, 0, None
        # An end names the version that it ended: that one stands before it.
        upto = version if record.value is None else version - 1
        missing = (self._known + 1, upto) if upto > self._known else None
        self._known, self._ended = version, False
        return Step(record, None, None, self._life, begins, after_end, missing, None)


def fields_of(session: Session) -> dict[str, object]:
    """Return a session's fields under their names in the schema."""
    return dict(zip(SESSION_FIELDS, session, strict=True))


def _changes(old: Session, new: Session) -> dict[str, Change]:
    before = fields_of(old)
    return {
        name: (before[name], value)
        for name, value in fields_of(new).items()
        if name not in OWN and _plain(before[name]) != _plain(value)
    }


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple | list) else value
