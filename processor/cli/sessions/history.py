"""`sessions history`: what a session was, record by record, from the output topic."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Final

import typer

from processor.bootstrap.codecs import codecs_of
from processor.cli.common.documents import json_time
from processor.cli.common.output import (
    Json,
    note,
    out,
    print_json,
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
from processor.core.moment import iso_time
from processor.core.session import Session
from processor.errors import FailClosed, InputError, NotFound
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
    until = _as_of(as_of)
    settings = settings_from(ctx)
    with answering():
        history = _History(settings, key, whole=from_beginning, as_json=as_json)
        if until is None:
            history.tell()
        else:
            history.tell_as_of(until)


def _as_of(text: str | None) -> int | None:
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


class _History:
    """The records of one session, found; told once."""

    def __init__(self, settings: Settings, key: str, *, whole: bool, as_json: bool) -> None:
        self._key, self._whole, self._as_json = key, whole, as_json
        self._session_of = _reading(settings)
        topic = TopicReader(settings, Topic.SESSIONS)
        self._extents = topic.extents()
        self._search = RecordSearch(
            topic.scan, topic.coordination, self._session_of, key.encode("utf-8", "surrogateescape")
        )
        with progress_bar(as_json=as_json) as bar:
            total = sum(end - start for start, end in self._extents.values())
            task = bar.add_task("looking for it", total=total)
            found = self._search.look(self._extents, lambda count: bar.advance(task, count))
        if not found:
            raise NotFound(
                f"{settings.sessions_topic} has no record of session {printable(key)}",
                hint="of a session that ended compaction leaves nothing in time; "
                "`session-processor dead-letters list` tells updates that were rejected",
            )

    def tell(self) -> None:
        """Print every record."""
        places = 0
        for partition in self._extents:
            for number, step in enumerate(self._steps(partition, None)):
                places += number == 0
                if self._as_json:
                    print_text(step_json(step))
                    continue
                if number == 0:
                    out().print(f"partition {partition}", style="bold")
                for line in step_lines(step):
                    out().print(line)
        self._tell_read(places)

    def tell_as_of(self, until: int) -> None:
        """Print the last record until a time, of each partition that has one. Raises NotFound."""
        places = 0
        later: list[Step] = []
        for partition in self._extents:
            last, following, first = self._around(partition, until)
            if last is None:
                later += [] if first is None else [first]
                continue
            places += 1
            if self._as_json:
                more = {"asOf": json_time(until), "doubt": doubt(last, following) or None}
                print_text(step_json(last, **more))
                continue
            out().print(f"partition {partition}, as of {iso_time(until)}", style="bold")
            for each in as_of_lines(last, following):
                out().print(each)
        if not places:
            raise _nothing_until(self._key, until, later)
        self._tell_read(places)

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

    def _tell_read(self, places: int) -> None:
        """Say in how many partitions it is, where these are several, and what was not read."""
        began = self._search.began
        whole = all(began[each] == start for each, (start, _) in self._extents.items())
        if self._as_json:
            print_json({"kind": "read", "whole": whole, "from": began})
            return
        if places > 1:
            note(separate(f"it is in {places} partitions"))
        if not whole:
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
