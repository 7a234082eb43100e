"""Dead letters, read: why each was rejected, and what it says as far as it can be read."""

import json
from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

from rich.progress import Progress

from processor.avro.codec import COMMAND_FIELDS
from processor.avro.framing import DecodeError
from processor.bootstrap.codecs import codecs_of
from processor.cli.common.documents import fields_json, record_time, session_json
from processor.cli.common.places import PLACE
from processor.cli.common.reach import answering
from processor.cli.common.topic_reader import TopicReader
from processor.cli.sessions.cached import of_letter
from processor.config import Settings
from processor.core.update import UPDATE_FIELDS
from processor.dead_letters.letter import DeadLetter, in_short, text
from processor.dead_letters.selection import Selection
from processor.errors import InputError, NotFound
from processor.formats.names import Format
from processor.ports.log import Record, Topic

_UPDATE: Final = "update"
_COMMAND: Final = "command"


class Letters(TopicReader):
    """Reads the dead letters of the settings' topic."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Topic.DEAD_LETTERS)

    def chosen(self, selection: Selection, bar: Progress) -> Iterator[tuple[Record, DeadLetter]]:
        """Yield the letters that are chosen, up to the ends of now, and show how far it is."""
        extents = self.extents(sorted(selection.named()))
        task = bar.add_task("reading", total=sum(end - start for start, end in extents.values()))
        passed = partial(bar.advance, task)
        for partition, (start, end) in extents.items():
            first, last = selection.within(partition, start, end) or (end, end)
            passed(first - start)
            for record in self.read(partition, first, last, passed):
                letter = in_short(record)
                if selection.chooses(letter):
                    yield record, letter
            passed(end - last)

    def at(self, partition: int, offset: int) -> Record:
        """Return the letter at this place. Raises NotFound."""
        ((start, end),) = self.extents([partition]).values()
        if start <= offset < end:
            for chunk in self.chunks(partition, offset, offset + 1):
                if chunk:
                    return chunk[0]
        raise NotFound(
            f"there is no dead letter {partition}:{offset}",
            hint=f"partition {partition} has offsets from {start} to below {end}, where not every"
            " one is a letter; `session-processor dead-letters list` tells them",
        )


class Rejected(NamedTuple):
    """What a letter says: fields, or why it cannot be read."""

    kind: str
    format: Format
    fields: Mapping[str, Any] | str

    def text(self, value: bytes | None) -> str | None:
        """Return the letter's value as the text that it is; None where it is no text."""
        try:
            return None if value is None or self.format == "avro" else value.decode()
        except UnicodeDecodeError:
            return None


class LetterReader:
    """Reads what letters say, by all schemas that are known."""

    def __init__(self, settings: Settings) -> None:
        self._codecs = codecs_of(settings)
        self._updates = self._codecs.updates.of_any_format()

    def event_id(self, record: Record, letter: DeadLetter) -> str:
        """Return the event id of what was rejected, empty where it cannot be read."""
        if letter.event_id:
            return letter.event_id
        fields = self(record).fields  # a former version's letter has no header of it
        return "" if isinstance(fields, str) else str(fields["eventId"])

    def kind(self, record: Record) -> str:
        """Return `command` for a letter whose value says that it is one, `update` for any other."""
        is_command = record.value is not None and self._codecs.commands.is_command(record.value)
        return _COMMAND if is_command else _UPDATE

    def __call__(self, record: Record) -> Rejected:
        """Return what the letter says."""
        kind = self.kind(record)
        of = self._updates.format(record.value or b"", record.headers)
        return Rejected(kind, of, self._fields(record, kind))

    def _fields(self, record: Record, kind: str) -> Mapping[str, Any] | str:
        if record.value is None:
            return "there is no value"
        try:
            if kind == _COMMAND:
                command = self._codecs.commands.read(record.value, 0)
                return dict(zip(COMMAND_FIELDS, command, strict=False))
            update = self._updates.read(record.value, record.headers, 0).update
            return dict(zip(UPDATE_FIELDS, update, strict=False))
        except DecodeError as error:
            return str(error)


Listed = tuple[DeadLetter, str]
"""A letter, and whether it is of an update or of a command."""


class Latest:
    """Keeps the latest letters of each partition, of the event ids that are asked for if any."""

    def __init__(self, reader: LetterReader, limit: int, event_ids: Collection[str] = ()) -> None:
        self._reader = reader
        self._event_ids = event_ids
        self._latest: dict[int, deque[Listed]] = defaultdict(lambda: deque(maxlen=limit))
        self.total = 0
        """How many there were."""

    def add(self, record: Record, letter: DeadLetter) -> None:
        """Take one more; of a partition they come in their order."""
        if not self._event_ids or self._reader.event_id(record, letter) in self._event_ids:
            self.total += 1
            self._latest[letter.partition].append((letter, self._reader.kind(record)))

    def letters(self) -> list[Listed]:
        """Return them by the time of their records."""
        return sorted(chain(*self._latest.values()), key=lambda listed: listed[0].timestamp)

    def documents(self) -> Iterator[dict[str, object]]:
        """Yield them for programs."""
        return ({**short_document(letter), "of": of} for letter, of in self.letters())


def place_of(text: str) -> tuple[int, int]:
    """Return the partition and the offset that a text names. Raises InputError."""
    match = PLACE.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is no place", hint="a place is PARTITION:OFFSET, as in 3:17")
    return int(match[1]), int(match[2])


def looked_at(
    settings: Settings, place: tuple[int, int]
) -> tuple[Record, Rejected, Mapping[str, Any] | str | None]:
    """Return a letter, what it says, and its session as `of_letter` does. Raises NotFound."""
    with answering():
        record = Letters(settings).at(*place)
        rejected = LetterReader(settings)(record)
    return record, rejected, of_letter(settings, record)


def letter_document(
    record: Record, rejected: Rejected, more: Mapping[str, str] | None = None
) -> str:
    """Return the letter as one JSON object in one line; `more` are members as JSON texts."""
    kind, fields = rejected.kind, rejected.fields
    members = {
        **short_document(in_short(record)),
        "headers": [_header(name, value) for name, value in record.headers],
        "keyHex": None if record.key is None else record.key.hex(),
        "valueHex": None if record.value is None else record.value.hex(),
        "format": rejected.format,
        "text": rejected.text(record.value),
        "unreadable": fields if isinstance(fields, str) else None,
    }
    said = "null" if isinstance(fields, str) else fields_json(fields)
    texts = {_UPDATE: "null", _COMMAND: "null", kind: said, **(more or {})}
    rest = "".join(f', "{name}": {value}' for name, value in texts.items())
    return f"{json.dumps(members, ensure_ascii=False)[:-1]}{rest}}}"


def session_members(session: Mapping[str, Any] | str | None) -> Mapping[str, str]:
    """Return the members that tell of a letter's session, or why nothing can be told."""
    if session is None or isinstance(session, str):
        return {"session": "null", "sessionUnknown": json.dumps(session, ensure_ascii=False)}
    return {"session": session_json(session), "sessionUnknown": "null"}


def short_document(letter: DeadLetter) -> dict[str, object]:
    """Return what a list tells of a letter, for programs."""
    topic, partition, offset = letter.source
    return {
        "place": letter.place,
        "timestamp": record_time(letter.timestamp),
        "reason": letter.reason,
        "message": letter.message,
        "key": letter.key,
        "eventId": letter.event_id or None,
        "bytes": letter.size,
        "source": {
            "topic": topic,
            "partition": _number(partition),
            "offset": _number(offset),
            **({"offsetTo": _number(letter.offset_to)} if letter.offset_to else {}),
        },
    }


def _header(name: str, value: bytes | None) -> dict[str, object]:
    return {"name": name, "value": None if value is None else text(value)}


def _number(digits: str) -> int | None:
    return int(digits) if digits.isdecimal() else None
