"""The compiled codec: the fold of plain updates on the bytes of the present schemas, or on JSON."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from processor.avro.shape import Shape
from processor.ports.log import Record

RULES: Final = 4
"""Raised, here and in `codec/src/lib.rs`, with each change of this interface or of what the fold or
rules 1 to 3 say: a codec of other rules that is still installed is not used."""

Column = tuple[int, int, bytes | None, bytes, bytes, Sequence[Any]]
"""Of a field: rows, nulls, validity where there are nulls, offsets, data, the columns within."""


@dataclass(slots=True)
class FoldedUpdates:
    """What became of updates that were folded one after another; the codec adds to it."""

    accepted: list[Record] = field(default_factory=list)
    """The records that have a snapshot, or an end, in their order."""
    snapshots: list[bytes | None] = field(default_factory=list)
    """What is published for each of those; None is a tombstone: a command ended the session."""
    changed: defaultdict[int, dict[bytes, bytes | None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """The last of them by partition and record key."""
    claims: dict[str, str] = field(default_factory=dict)
    """The claims that the snapshots rest on and that no earlier commit holds, by profile."""
    claiming: set[int] = field(default_factory=set)
    """The partitions of the records that make them."""
    duplicates: int = 0
    taken: int = 0
    """How many records, from the first on, were folded."""
    size: int = 0
    """The bytes of all snapshots, and of those that were read for updates that are not accepted."""


class Bounds(NamedTuple):
    """What every fold is bound by."""

    header: bytes
    """What stands before each snapshot."""
    max_snapshot: int
    """How many bytes one may have."""
    limit: int
    """The size after which no more is folded."""


class EncodedUpdate(Protocol):
    """An update that rules 1 to 3 have nothing to say of, as its bytes."""

    @property
    def profile(self) -> str | None:
        """The key of the profile that it names, None where it names none."""


class Compiled(Protocol):
    """Reads updates, and folds them."""

    def read(
        self,
        records: Sequence[Record],
        header: bytes,
        formats: Collection[str] = (),
        json_header: bytes = b"",
        /,
    ) -> list[EncodedUpdate | None]:
        """Return each record's update, None where Python is to read it.

        Those are read whose value begins with the header, and those that are JSON or a CloudEvent
        in one of the formats; behind `json_header`, a registry's, a value is JSON. A record that
        names its schema in a header is never read.
        """

    def fold(
        self,
        pairs: Iterator[tuple[Record, Any]],
        sessions: dict[int, dict[bytes, bytes | None]],
        holders: dict[str, str],
        done: FoldedUpdates,
        bounds: Bounds,
        /,
    ) -> tuple[Record, Any] | None:
        """Fold records with what was decoded of each, and add to `done` what became of them.

        `sessions` and `holders` are changed as the updates change them. Returns the first pair that
        is left to Python, which goes on behind it: of no `EncodedUpdate`, of one that `core.fold`
        rejects or whose snapshot is too large, or upon a snapshot that is another's to read. None:
        all are folded, or the limit is passed.
        """

    def input_offset(self, snapshot: bytes, header: bytes, /) -> int | None:
        """Return a snapshot's input offset, None where fastavro is to read it."""


class Export(Protocol):
    """Writes output records that are snapshots, of one shape and under one of the headers.

    What else there is, and what is not as this version writes it, is left to Python. Other threads
    run meanwhile.
    """

    def columns(
        self, records: Sequence[Record], headers: Sequence[bytes], /
    ) -> tuple[Column, list[int]]:
        """Return the snapshots by columns in Arrow's buffers, and the places of what is left.

        Behind the fields come the record's key, partition, offset and timestamp.
        """

    def lines(self, records: Sequence[Record], headers: Sequence[bytes], /) -> list[bytes | None]:
        """Return each snapshot as a line of JSON, with where it stood; None where it is left."""

    def datums(self, records: Sequence[Record], headers: Sequence[bytes], /) -> list[bytes | None]:
        """Return each snapshot as a record of the container; None where it is left."""


class Module(Protocol):
    """What the distribution in `codec/` has."""

    UPDATE: bytes
    SNAPSHOT: bytes
    RULES: int
    Codec: Callable[[], Compiled]
    Export: Callable[[Shape], Export]
