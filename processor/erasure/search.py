"""Looking for ids in all that a deployment keeps: decoded, committed or not, current or not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from processor.erasure.ids import Sought
from processor.erasure.named_ids import Values, key_of
from processor.errors import FailClosed
from processor.ports.chunks import Passed
from processor.ports.copies import CachedCopies
from processor.ports.log import Coordination, Record, Scan, Topic
from processor.stages.publish import ERROR_HEADERS, EVENT_ID_HEADER

TOPICS: Final[Mapping[str, Topic]] = {
    "output": Topic.SESSIONS,
    "claims": Topic.CLAIMS,
    "dead letters": Topic.DEAD_LETTERS,
    "input": Topic.UPDATES,
}
"""The places that are topics, by what they are called here."""
_EXAMPLES: Final = 3
_MESSAGE_HEADER: Final = ERROR_HEADERS[1]
_OFFSET_HEADER: Final = ERROR_HEADERS[5]


class Hit(NamedTuple):
    """What a record is that names an id."""

    bare: bool = False
    """Only its key is left."""
    again: bool = False
    """It came after the erasure."""


class Found(NamedTuple):
    """What was found in one place."""

    values: int = 0
    """Records that name an id, with a value."""
    keys: int = 0
    """And without one."""
    again: int = 0
    """Of both, what came after the erasure."""
    at: tuple[str, ...] = ()
    """Where some of it stands, `partition:offset`, what came after it first."""
    newest: int = 0
    """The latest timestamp of all records, in milliseconds since 1970."""

    @property
    def records(self) -> int:
        """How many there are."""
        return self.values + self.keys


class Kept(NamedTuple):
    """What a deployment keeps, live or a replay's; without claims where these are another's."""

    coordination: Coordination
    scan: Scan
    """Reads what is not committed, too."""
    copies: CachedCopies


class Since(NamedTuple):
    """Input offsets by partition, from which on an update came after the erasure."""

    behind: Mapping[int, int] = {}
    """Of the sessions that were ended."""
    read_to: Mapping[int, int] = {}
    """Of any other, which names a profile or an identifier."""


class Search:
    """Looks for ids. What it raises is what its parts do."""

    def __init__(
        self,
        sought: Sought,
        values: Values,
        since: Since,
        passed: Passed = lambda _: None,
    ) -> None:
        self._sought = sought
        self._values = values
        self._since = since
        self._passed = passed
        self._hits: Mapping[Topic, Callable[[Record], Hit | None]] = {
            Topic.SESSIONS: self._in_output,
            Topic.CLAIMS: self._in_claims,
            Topic.DEAD_LETTERS: self._in_letters,
            Topic.UPDATES: self._in_input,
        }

    def topic(self, topic: Topic, kept: Kept) -> Found:
        """Search a topic up to the ends that it has for now."""
        hits = self._hits[topic]
        newest = 0
        found: list[tuple[str, Hit]] = []
        for record in self._records(topic, kept):
            newest = max(newest, record.timestamp)
            hit = hits(record)
            if hit is not None:
                found.append((f"{record.partition}:{record.offset}", hit))
        return _found(found, newest)

    def cache(self, kept: Kept, partitions: int) -> Found:
        """Search every generation of sessions and of claims."""
        found: list[tuple[str, Hit]] = []
        for partition in range(partitions):
            for key, snapshot in kept.copies.sessions(partition):
                hit = self._snapshot(partition, _text(key), snapshot)
                if hit is not None:
                    found.append((f"partition {partition}", hit))
        for profile, holder in kept.copies.claims():
            if self._sought.profile(profile) or self._sought.session(holder):
                found.append(("claims", Hit()))
        return _found(found)

    def _records(self, topic: Topic, kept: Kept) -> Iterator[Record]:
        for partition in range(kept.coordination.partitions(topic)):
            start, _, end = kept.coordination.extent(topic, partition)
            for chunk in kept.scan.read(topic, partition, start, end):
                yield from chunk
            self._passed(end - start)

    def _in_output(self, record: Record) -> Hit | None:
        if record.value is None:
            return Hit(bare=True) if self._sought.session(key_of(record)) else None
        return self._snapshot(record.partition, key_of(record), record.value)

    def _snapshot(self, partition: int, key: str, snapshot: bytes) -> Hit | None:
        is_key = self._sought.session(key)
        if not is_key and not self._sought.may_be_in(snapshot):
            return None
        try:
            named = self._values.of_snapshot(snapshot)
        except FailClosed:
            return Hit() if is_key or self._sought.stands_in(snapshot) else None
        if not is_key and not named.is_sought(self._sought):
            return None
        return Hit(again=self._came_after(partition, named.answers, is_key=is_key))

    def _in_claims(self, record: Record) -> Hit | None:
        if self._sought.profile(key_of(record)):
            return Hit(bare=record.value is None)
        return Hit() if self._sought.session(_text(record.value)) else None

    def _in_letters(self, record: Record) -> Hit | None:
        told = dict(record.headers).get(_OFFSET_HEADER) or b""
        return self._unpublished(record, int(told) if told.isdigit() else -1)

    def _in_input(self, record: Record) -> Hit | None:
        return self._unpublished(record, record.offset)

    def _unpublished(self, record: Record, offset: int) -> Hit | None:
        """Return what a record is that was sent, to this input offset. A command begins nothing."""
        is_key = self._sought.session(key_of(record))
        named = self._values.of_input(record)
        if named is None:
            headers = dict(record.headers)
            told = headers.get(_MESSAGE_HEADER), headers.get(EVENT_ID_HEADER)
            text = b" ".join(each for each in (record.key, record.value, *told) if each)
            names_one = self._sought.stands_in(text)
        else:
            is_key = is_key or self._sought.session(named.session)
            names_one = named.is_sought(self._sought)
        if not names_one and not is_key:
            return None
        begins = named is None or not named.is_command
        return Hit(again=begins and self._came_after(record.partition, offset, is_key=is_key))

    def _came_after(self, partition: int, offset: int, *, is_key: bool) -> bool:
        since = self._since.behind if is_key else self._since.read_to
        return partition in since and offset >= since[partition]


def _found(hits: Sequence[tuple[str, Hit]], newest: int = 0) -> Found:
    again = [place for place, hit in hits if hit.again]
    before: Iterable[str] = (place for place, hit in hits if not hit.again)
    keys = sum(hit.bare for _, hit in hits)
    examples = tuple(dict.fromkeys([*again[:_EXAMPLES], *islice(before, _EXAMPLES)]))
    return Found(len(hits) - keys, keys, len(again), examples[:_EXAMPLES], newest)


def _text(key: bytes | None) -> str:
    return (key or b"").decode(errors="replace")
