"""Whether a committed offset is one to go on from (docs/adr/0003-commit-metadata.md)."""

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from processor.ports.log import Committed, Extent, Topic
from processor.state.checkpoint import CommitMetadata, ForeignText, NewerText, Stream

Topics = Callable[[Topic], str]

REPAIR: Final = (
    "Stop all processes of the group and run `session-processor offsets show`, then "
    "`session-processor offsets repair`; to fold records again, use `session-processor replay run`."
)

_NEWER: Final = (
    "A newer version of the processor ran here: run that version again. A repair by this one would "
    "not understand what it replaces."
)


_FRAMING: Final = (
    "Give the settings of the schema registry that the service ran with. If every reader of the "
    "output can read both framings, run `session-processor run --accept-mixed-framing`, or stop "
    "all processes of the group and run `session-processor offsets repair`."
)


_FORMATS: Final = (
    "Give PROCESSOR_INPUT_FORMATS as the service ran with it. To read fewer formats from here on, "
    "stop all processes of the group and run `session-processor offsets repair`."
)
_HINTS: Final = {"framing": _FRAMING, "formats": _FORMATS}


class FaultKind(Enum):
    """What keeps a partition from going on."""

    NO_OFFSET = "no offset"
    FOREIGN = "foreign offset"
    NEWER = "a newer version's offset"
    CHANGED = "changed topics"
    OUTPUT_SHORT = "output too short"
    WENT_BACK = "offset gone back"
    OUTSIDE = "offset outside the log"


class OffsetFault(NamedTuple):
    """A fault, told with what was found."""

    kind: FaultKind
    message: str
    hint: str = REPAIR


class Found(NamedTuple):
    """What is committed for a partition, and what its topics hold."""

    partition: int
    committed: Committed
    updates: Extent
    output: Extent


def check_committed(
    found: Found, stream: Stream, topics: Topics, *, mixed_framing: bool = False
) -> CommitMetadata | OffsetFault:
    """Return the metadata of an offset that can be gone on from, else what is wrong with it.

    With `mixed_framing` the output may have been framed in another way.
    """
    partition, committed, updates, output = found
    where = (
        f"the committed offset {committed.offset} of "
        f"{partition_name(Topic.UPDATES, partition, topics)}"
    )
    try:
        metadata = CommitMetadata.decode(committed.metadata, stream.cluster)
    except NewerText as error:
        return OffsetFault(
            FaultKind.NEWER, f"{where} was not committed by this service ({error})", _NEWER
        )
    except ForeignText as error:
        return OffsetFault(
            FaultKind.FOREIGN,
            f"{where} was not committed by this service ({error}): somebody reset it, and the "
            "sessions do not stand where it says",
        )
    changed = changes(metadata.stream, stream)
    if changed == ["framing"] and mixed_framing:
        changed = []
    if changed:
        told = "; ".join(changed_text(field, metadata.stream, stream, topics) for field in changed)
        hint = _HINTS.get(changed[0], REPAIR) if len(changed) == 1 else REPAIR
        return OffsetFault(FaultKind.CHANGED, f"{where}: {told}", hint)
    if output.end < metadata.output:
        return OffsetFault(
            FaultKind.OUTPUT_SHORT,
            f"{partition_name(Topic.SESSIONS, partition, topics)} ends at offset {output.end}, but "
            f"snapshots up to {metadata.output} were committed: published snapshots are gone",
        )
    if not updates.start <= committed.offset <= updates.end:
        return OffsetFault(
            FaultKind.OUTSIDE,
            f"{partition_name(Topic.UPDATES, partition, topics)} has offsets {updates.start} to "
            f"{updates.end}, but {committed.offset} is to be read next: updates that were not "
            "processed have expired, or the topic was truncated",
        )
    return metadata


def went_back(found: Found, output: int, beyond: int, topics: Topics) -> OffsetFault:
    """Return what is wrong where a snapshot stands at `beyond`, past the `output` committed."""
    name = partition_name(Topic.SESSIONS, found.partition, topics)
    updates = partition_name(Topic.UPDATES, found.partition, topics)
    return OffsetFault(
        FaultKind.WENT_BACK,
        f"{name} has a snapshot at offset {beyond}, but by the committed offset "
        f"{found.committed.offset} of {updates} the next one comes at {output}: later commits are "
        "gone, and to go on from there would publish again what is there",
    )


def changes(then: Stream, now: Stream) -> list[str]:
    """Return the fields in which a stream is not what it was; more formats may be read."""
    return [
        field
        for field in Stream._fields
        if not now.goes_on_from(now._replace(**{field: getattr(then, field)}))
    ]


def no_offset(partition: int, topic: Topic, topics: Topics) -> OffsetFault:
    """Return what is wrong with a partition that lacks an offset while `topic` has its records."""
    return OffsetFault(
        FaultKind.NO_OFFSET,
        f"{partition_name(Topic.UPDATES, partition, topics)} has no committed offset, but "
        f"{partition_name(topic, partition, topics)} has records: the offset expired or was "
        "deleted, and to start anew would publish again what is there",
    )


def partition_name(topic: Topic, partition: int, topics: Topics) -> str:
    """Return a partition as messages name it."""
    return f"{topics(topic)} partition {partition}"


def changed_text(field: str, then: Stream, now: Stream, topics: Topics) -> str:
    """Return how two streams differ in a field."""
    if field == "partitions":
        return (
            f"the input had {then.partitions} partitions and has {now.partitions}: keys have moved "
            "between them, and their sessions have not"
        )
    if field == "framing":
        return f"the output was framed as {then.framing} and would now be framed as {now.framing}"
    if field == "formats":
        return f"updates were read in the formats {then.formats}, and would now be in {now.formats}"
    topic = topics(Topic[field.upper()])
    return (
        f"topic {topic} was {getattr(then, field)} and is {getattr(now, field)}: it was deleted "
        "and created again"
    )
