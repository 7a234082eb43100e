"""What identifies a stream, and the two texts that tie state to it.

`CommitMetadata` travels with each committed offset; `Checkpoint` stands beside the cached sessions.
Both are JSON with a `format` number and a `readable` one: whoever knows format N reads every text
whose `readable` is at most N, and ignores keys that it does not know.
"""

import json
from typing import Any, Final, NamedTuple

from processor.formats.names import AVRO_ALONE, split
from processor.ports.sessions import Stamp

FORMAT: Final = 3
"""The format of the commit metadata that this code writes, and the newest that it reads: 2 since
commands end sessions, 3 since updates come in other formats than Avro."""
_WITH_COMMANDS: Final = 2
_WITH_FORMATS: Final = 3
READABLE: Final = 1
"""The format of all that a version without commands reads as well."""
_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode


class ForeignText(Exception):  # noqa: N818  what was found
    """The text is not one of ours, or of a format that this version cannot read."""


class NewerText(ForeignText):
    """The text is ours, and of a format that this version cannot read."""


class Stream(NamedTuple):
    """The identity of what is processed; state of another one is never folded upon."""

    cluster: str
    updates: str
    """Topic id, as are the next three."""
    sessions: str
    dead_letters: str
    claims: str
    partitions: int
    """How many the input has: another count moves keys."""
    framing: str
    """How output values are framed."""
    formats: str = AVRO_ALONE
    """Which formats updates are read in, with commas between: others are rejected."""

    def goes_on_from(self, then: "Stream") -> bool:
        """Whether what was processed as `then` can be gone on with: more formats may be read."""
        return then._replace(formats=self.formats) == self and split(then.formats) <= split(
            self.formats
        )


class Promoted(NamedTuple):
    """The last replay that was made live in a partition."""

    name: str
    offset: int
    """The input offset up to which its result replaced what had been published."""


class CommitMetadata(NamedTuple):
    """What the committed offset's metadata holds (docs/contract.md, "Commit metadata")."""

    identity: str
    """The owner's transactional id."""
    output: int
    """The partition's next output offset."""
    stream: Stream
    epoch: int
    promoted: Promoted | None = None
    seeding: int | None = None
    """In a replay whose starting state is being copied: the next offset of the live output."""
    former: int | None = None
    """The output offset below which snapshots answer an input that was deleted since: what they say
    of input offsets means nothing in the present one."""
    commands: bool = False
    """Whether the partition has passed a command: a version that knows none must not go on here."""
    ended: int | None = None
    """When it committed an end last, in milliseconds since 1970: by that, Kafka may clean it."""

    def position(self, offset: int) -> "Position":
        """Return where the partition stands by this and the committed offset."""
        return Position(
            offset,
            self.output,
            self.epoch,
            self.promoted,
            self.seeding,
            self.former,
            self.commands,
            self.ended,
        )

    def encode(self) -> str:
        """Return the text, about 260 bytes: brokers take 4,096."""
        stream = self.stream
        rare: dict[str, object] = {
            "promoted": self.promoted,
            "seeding": self.seeding,
            "former": self.former,
            "ended": self.ended,
        }
        readable = _WITH_COMMANDS if self.commands else READABLE
        if stream.formats != AVRO_ALONE:
            readable = _WITH_FORMATS
            rare |= {"formats": stream.formats, "commands": self.commands or None}
        return _text(
            readable=readable,
            id=self.identity,
            out=self.output,
            topics=[stream.updates, stream.sessions, stream.dead_letters, stream.claims],
            partitions=stream.partitions,
            framing=stream.framing,
            epoch=self.epoch,
            **{name: value for name, value in rare.items() if value is not None},
        )

    @classmethod
    def decode(cls, text: str, cluster: str) -> "CommitMetadata":
        """Read a text that was committed in `cluster`. Raises ForeignText."""
        fields = _fields(text)
        try:
            updates, sessions, dead_letters, claims = map(str, fields["topics"])
            stream = Stream(
                cluster,
                updates,
                sessions,
                dead_letters,
                claims,
                int(fields["partitions"]),
                str(fields["framing"]),
                str(fields.get("formats", AVRO_ALONE)),
            )
            promoted, seeding = fields.get("promoted"), fields.get("seeding")
            former, ended = fields.get("former"), fields.get("ended")
            return cls(
                str(fields["id"]),
                int(fields["out"]),
                stream,
                int(fields["epoch"]),
                None if promoted is None else Promoted(str(promoted[0]), int(promoted[1])),
                None if seeding is None else int(seeding),
                None if former is None else int(former),
                fields["readable"] == _WITH_COMMANDS or fields.get("commands") is True,
                None if ended is None else int(ended),
            )
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise ForeignText(f"a field is absent or wrong: {error}") from error


class Position(NamedTuple):
    """How far a partition is by what is committed: next input and output offset, and epoch."""

    offset: int
    output: int
    epoch: int
    promoted: Promoted | None = None
    seeding: int | None = None
    """As in `CommitMetadata`, as are the next three."""
    former: int | None = None
    commands: bool = False
    ended: int | None = None

    def metadata(self, stream: Stream, identity: str) -> str:
        """Return the text to commit with this position under a producer's transactional id."""
        return CommitMetadata(
            identity,
            self.output,
            stream,
            self.epoch,
            self.promoted,
            self.seeding,
            self.former,
            self.commands,
            self.ended,
        ).encode()


class Owned(NamedTuple):
    """A partition that is taken over and restored: its position, and its cache's stamp."""

    position: Position
    stamp: Stamp
    token: str
    """Under which it may claim profiles (`Claims.own`)."""


class Checkpoint(NamedTuple):
    """What the cache of one partition reflects, and who may write there."""

    cluster: str
    updates: str
    sessions: str
    epoch: int
    owner: str
    """The owner's transactional id: a nonce of its process or producer."""
    offset: int
    """The next input offset."""
    output: int
    """The next output offset: every snapshot below it is in the cache."""
    written: int
    """When, in milliseconds since 1970: decides whether tombstones may have been compacted away."""
    filled: int = -1
    """How many chunks a generation that is being filled has; -1 for a complete one."""

    def encode(self) -> bytes:
        """Return the bytes that stand beside the sessions."""
        return _text(readable=READABLE, **self._asdict()).encode()

    @classmethod
    def decode(cls, value: bytes) -> "Checkpoint":
        """Read a checkpoint. Raises ForeignText."""
        try:
            fields = _fields(value.decode())
            known = {name: fields[name] for name in cls._fields}
            for name in ("epoch", "offset", "output", "written", "filled"):
                known[name] = int(known[name])
            return cls(**known)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ForeignText(f"a field is absent or wrong: {error}") from error


def knows_commands(text: str) -> bool:
    """Whether whoever committed this metadata knows commands; False for a text not of ours."""
    written = _number_in(text, "format")
    return written is not None and written >= _WITH_COMMANDS


def former_in(text: str) -> int | None:
    """Return the metadata's `former`, None where it has none or is not one of ours."""
    return _number_in(text, "former")


def _number_in(text: str, name: str) -> int | None:
    try:
        found = _fields(text).get(name)
    except ForeignText:
        return None
    return found if isinstance(found, int) else None


def _text(**fields: Any) -> str:
    return _to_json({"format": FORMAT, **fields})


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
        readable = fields["readable"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ForeignText("it is not a text of the session processor") from error
    if not isinstance(readable, int) or readable > FORMAT:
        raise NewerText(f"it has a format that this version cannot read: {readable}")
    return dict(fields)
