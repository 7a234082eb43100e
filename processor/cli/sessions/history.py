"""`sessions history`: what a session was, record by record, from the output topic."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from typing import Annotated, Final

import typer

from processor.bootstrap.codecs import codecs_of
from processor.cli.common.documents import json_time
from processor.cli.common.output import (
    Json,
    note,
    out,
    print_text,
    progress_bar,
    settings_from,
)
from processor.cli.common.reach import answering
from processor.cli.common.session_view import separate
from processor.cli.common.times import FORMS, time_of
from processor.cli.common.topic_reader import TopicReader
from processor.cli.sessions.history_view import as_of_lines, doubt, step_json, step_lines, when
from processor.cli.sessions.key import require_key
from processor.cli.sessions.lives import Lives, Step
from processor.cli.sessions.record_search import RecordSearch
from processor.config import Settings
from processor.core.session import Session
from processor.errors import FailClosed, InputError, NotFound
from processor.ports.instants import iso_time
from processor.ports.log import Record, Topic
from processor.telemetry.visible import printable

_OPTION: Final = "--as-of"


def command(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(metavar="APPLICATION:INTEGRATION", help="The session.")],
    *,
    as_of: Annotated[
        str | None,
        typer.Option(_OPTION, metavar="TIME", help="Only what the session was at this time."),
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Look for earlier lives in all of the topic.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell what a session was: each snapshot that the output topic still has, and what changed.

    In the topic's order: the time of the record, partition:offset, the version, the state or the
    transition, the event and its own time, then each field's old and new value. Versions that
    compaction removed are named, ends tell what command made them, and a session that began again
    after its end is a further life, whose versions count from 1.

    --as-of TIME tells the session as of its last record with a timestamp not after TIME. That is
    the time of the record in Kafka, which a snapshot has from its update's record in the input: not
    the event time, which orders nothing. A TIME is ISO 8601 with a zone, a duration ago (2d), or
    milliseconds since 1970.

    The topic is read backwards up to the session's newest snapshot, then from the time on at which
    that one says that it was created. Where version 1 is not met so, its partition is read from the
    start. An earlier life that is not met so is not looked for, unless --from-beginning is given.
    Without any record the exit code is 9; for what is no session's key, or no time, it is 8.

    Example: session-processor sessions history 1:cart-17 --as-of 2026-03-03T12:00:00Z
    """
    require_key(key)
    until = as_of_ms(as_of)
    settings = settings_from(ctx)
    with answering():
        history = History(settings, key, whole=from_beginning, quiet=as_json)
        if as_json:
            for text in history.documents(until):
                print_text(text)
        elif until is None:
            _tell(history)
        else:
            _tell_as_of(history, until)


def as_of_ms(text: str | None) -> int | None:
    """Return the time that was asked for. Raises InputError for one that cannot be meant."""
    moment = time_of(_OPTION, text)
    if moment is None:
        return None
    if moment > time.time_ns() // 1_000_000:
        raise InputError(f"{_OPTION}: {iso_time(moment)} is in the future", hint=FORMS)
    return moment


def _reading(settings: Settings) -> Callable[[Record], Session]:
    """Return what reads a snapshot. It raises FailClosed, saying where one stands that is none."""
    read = codecs_of(settings).snapshots.read

    def session_of(record: Record) -> Session:
        try:
            return read(record.value or b"")
        except FailClosed as error:
            place = f"{settings.sessions_topic} partition {record.partition} at {record.offset}"
            raise FailClosed(f"{place}: {error.message}", hint=error.hint) from error

    return session_of


class History:
    """The records of one session, found. Raises NotFound where there is none."""

    def __init__(self, settings: Settings, key: str, *, whole: bool, quiet: bool) -> None:
        self._key, self._whole = key, whole
        self._session_of = _reading(settings)
        topic = TopicReader(settings, Topic.SESSIONS)
        self._extents = topic.extents()
        self._search = RecordSearch(
            topic.scan, topic.coordination, self._session_of, key.encode("utf-8", "surrogateescape")
        )
        with progress_bar(as_json=quiet) as bar:
            total = sum(end - start for start, end in self._extents.values())
            task = bar.add_task("looking for it", total=total)
            found = self._search.look(self._extents, lambda count: bar.advance(task, count))
        if not found:
            raise NotFound(
                f"{settings.sessions_topic} has no record of session {printable(key)}",
                hint="of a session that ended compaction leaves nothing in time; "
                "`session-processor dead-letters list` tells updates that were rejected",
            )

    def steps(self) -> Iterator[Step]:
        """Yield every record, by partition and offset."""
        for partition in self._extents:
            yield from self._steps(partition, None)

    def as_of(self, until: int) -> Iterator[tuple[Step, Step | None]]:
        """Yield the last record until a time, of each partition that has one, and the one behind.

        Raises NotFound where none has.
        """
        places = 0
        later: list[Step] = []
        for partition in self._extents:
            last, following, first = self._around(partition, until)
            if last is not None:
                places += 1
                yield last, following
            elif first is not None:
                later.append(first)
        if not places:
            raise _nothing_until(self._key, until, later)

    def documents(self, until: int | None) -> Iterator[str]:
        """Yield a JSON text for each of these, and one that says what was read."""
        if until is None:
            yield from map(step_json, self.steps())
        else:
            for last, following in self.as_of(until):
                more = {"asOf": json_time(until), "doubt": doubt(last, following) or None}
                yield step_json(last, **more)
        yield json.dumps({"kind": "read", "whole": self.whole(), "from": self._search.began})

    def whole(self) -> bool:
        """Whether all of the topic was read; known once the records were."""
        began = self._search.began
        return all(began[each] == start for each, (start, _) in self._extents.items())

    def _around(self, partition: int, until: int) -> tuple[Step | None, Step | None, Step | None]:
        """Return the last step until a time, the one behind it, and the first of all."""
        last = following = first = None
        for step in self._steps(partition, until):
            first = first or step
            if step.record.timestamp <= until:
                last, following = step, None
            elif following is None:
                following = step
        return last, following, first

    def _steps(self, partition: int, until: int | None) -> Iterator[Step]:
        lives = Lives(self._session_of)
        for record in self._search.records(partition, whole=self._whole, until=until):
            yield lives.step(record)


def _tell(history: History) -> None:
    """Print every record."""
    places = 0
    for partition, steps in groupby(history.steps(), lambda step: step.record.partition):
        places += 1
        out().print(f"partition {partition}", style="bold")
        for line in chain.from_iterable(map(step_lines, steps)):
            out().print(line)
    _tell_read(history, places)


def _tell_as_of(history: History, until: int) -> None:
    """Print the last record until a time, of each partition that has one."""
    places = 0
    for last, following in history.as_of(until):
        places += 1
        where = f"partition {last.record.partition}, as of {iso_time(until)}"
        out().print(where, style="bold")
        for each in as_of_lines(last, following):
            out().print(each)
    _tell_read(history, places)


def _tell_read(history: History, places: int) -> None:
    """Say in how many partitions it is, where these are several, and what was not read."""
    if places > 1:
        note(separate(f"it is in {places} partitions"))
    if not history.whole():
        note(
            "read from the time on at which the session was created: an earlier life of the "
            "same key would be before that; --from-beginning looks for one"
        )


def _nothing_until(key: str, until: int, later: Sequence[Step]) -> NotFound:
    """Return the error that tells of the first record, where all are later than a time."""
    first = min(later, key=lambda each: each.record.timestamp)
    told = f"a version {first.version}" if first.version else "a tombstone"
    hint = "it began then"
    if first.version != 1:
        hint = "what was before is gone: min.compaction.lag.ms of the topic says how long it stays"
    return NotFound(
        f"session {printable(key)} has no record until {iso_time(until)}; the first that there is,"
        f" {told}, is of {when(first.record)}",
        hint=hint,
    )
