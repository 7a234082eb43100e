"""From which input offset on the state is known exactly, by the snapshots that compaction left.

The state as of offset S is each key's last snapshot of an input offset below S, where no end of the
session came after it. It was published, but a later snapshot of its key lets compaction remove it.
What `version` tells: if the first one that is left at or after S follows the last one below S
without a gap, or is the key's first of all, nothing is absent between them. Where no snapshot
follows up to the topic's end as of now, the last one below S is left for sure.

An end names the version that it ended, and must follow it; what follows an end is version 1. Once
compaction has removed an end, it has removed all of the session before it as well: then a command
of the input is left, on a key of which nothing from before it is there.
"""

from collections.abc import Callable, Iterator, MutableMapping
from typing import Final, NamedTuple, Protocol

from processor.ports.log import Record
from processor.state.ends import end_of

FORMER: Final = -1
"""The input offset of a snapshot that answers a former input: it is before all of the present."""


class Seen(NamedTuple):
    """A key's last snapshot so far."""

    offset: int
    """Its input offset, or `FORMER`."""
    version: int
    """0 of an end."""


class Values(NamedTuple):
    """How values of the live topics are read."""

    seen: Callable[[bytes], Seen]
    """Returns a snapshot's input offset and version."""
    is_command: Callable[[Record], bool]
    """Whether a record of the input is a command that is not rejected."""


class Gap(NamedTuple):
    """Behind the input offset `left` and up to `right` the state lacks what was removed."""

    left: int
    right: int
    key: bytes


class Lacking(Protocol):
    """What is not explained as yet: commands from a start on, and gaps."""

    def met(self, key: bytes, offset: int) -> None:
        """Let go of a key's commands from this offset on: a record of it, the first, is there."""

    def last(self) -> tuple[int, bytes] | None:
        """Return the last command of all that are left, with its key."""

    def gap(self, gap: Gap) -> None:
        """Keep a gap."""

    def gaps(self) -> Iterator[Gap]:
        """Yield the gaps, as they came."""


class ExactStart:
    """Told every record of one output partition, in order, it knows where a replay can start."""

    def __init__(self, start: int, seen: MutableMapping[bytes, Seen], lacking: Lacking) -> None:
        """Take the input offset that is wished for, and where to remember a line for each key.

        `lacking` has the commands of the input from there on.
        """
        self._seen = seen
        self._lacking = lacking
        self.wished = start
        self.earliest = start
        """The least offset from the one wished for on, as of which the state is exact; known once
        all is told."""
        self.key: bytes | None = None
        """The key that moved it last: a snapshot of it is absent."""
        self._command: int | None = None
        """The command that moved it last, by its input offset; None: a record is absent."""
        self.foreign: int | None = None
        """The output offset of a tombstone that is not the processor's: nothing is exact then."""

    @property
    def exact(self) -> bool:
        """Whether the state is exact as of the offset that was wished for."""
        return self.earliest == self.wished and self.foreign is None

    @property
    def why(self) -> str:
        """What keeps it from being exact, for people."""
        if self.foreign is not None:
            return (
                f"the tombstone at offset {self.foreign} of the output is not the processor's, "
                "and does not say what it ended"
            )
        if self._command is not None:
            return (
                f"a command at offset {self._command} of the input names {self.key!r}, of which "
                "the output has no record from before it: compaction may have removed one"
            )
        named = f"a record of {self.key!r}" if self.key else "a record"
        return f"compaction has removed {named} that the state needs"

    def take(self, record: Record, seen: Callable[[bytes], Seen], former: int) -> int:
        """Take the next record; return the input offset that it answers, `FORMER` for none.

        Below the output offset `former` records answer a former input.
        """
        key = record.key or b""
        if record.value is not None:
            found = seen(record.value)
            follows = found.version - 1
        else:
            end = end_of(record.headers)
            if end is None:
                self.foreign = record.offset
                self._seen.pop(key, None)
                return FORMER
            found, follows = Seen(end.input_offset, 0), end.version
        if record.offset < former:
            found = found._replace(offset=FORMER)
        self.saw(key, found, follows)
        return found.offset

    def saw(self, key: bytes, record: Seen, follows: int) -> None:
        """Take the key's next record, which follows a version.

        Before it, another one of the key may be absent.
        """
        before = self._seen.get(key)
        self._seen[key] = record
        if before is None:
            self._lacking.met(key, record.offset)
        if follows == (0 if before is None else before.version):
            return
        if record.offset >= self.wished:
            left = FORMER if before is None else before.offset
            self._lacking.gap(Gap(left, record.offset, key))

    def finish(self) -> None:
        """Take note that all was told."""
        command = self._lacking.last()
        if command is not None:
            # It may have ended what compaction has removed since, with its end.
            self._command, self.key = command
            self.earliest = self._command + 1
        for left, right, key in self._lacking.gaps():
            if left < self.earliest <= right:
                self.earliest = right + 1
                self._command, self.key = None, key
