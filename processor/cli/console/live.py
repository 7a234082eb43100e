"""What the console asks, answered by the functions behind the commands."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from processor.cli import offsets, schemas, topics
from processor.cli.common.documents import session_json
from processor.cli.common.output import progress_bar
from processor.cli.common.reach import answering
from processor.cli.dead_letters import reading, redrive
from processor.cli.dead_letters.options import LetterOptions
from processor.cli.dead_letters.summary import Summary
from processor.cli.replay import commands, diff
from processor.cli.sessions.cached import look_up
from processor.cli.sessions.history import History, as_of_ms
from processor.cli.sessions.key import require_key
from processor.config import Settings
from processor.console.source import Deployment, Document, Options, Place
from processor.console.values import read
from processor.core.outcome import Reason
from processor.errors import InputError, ProcessorError
from processor.ports.servers import ServerUnavailable
from processor.replay.compare import Difference

WINDOW: Final = 20_000
"""How many of the last offsets of each partition are read for a page of dead letters."""
_LETTERS: Final = 20
_STEPS: Final = 50
_EXAMPLES: Final = 20
_ATTEMPTS: Final = 3


class LiveSource:
    """A Source on the servers of the settings."""

    def __init__(self, settings: Settings, members: Sequence[str] = ()) -> None:
        self._settings = settings
        self._given = [Place(url) for url in members]

    def deployment(self) -> Deployment:
        """Return the processes that there are. A server that is away is told in it, not raised."""
        from processor.bootstrap.announcing import announced

        try:
            members, partitions = announced(self._settings)
        except (ServerUnavailable, ProcessorError) as error:
            return Deployment(self._given, None, f"Redis does not tell who is there: {error}")
        known = {place.url for place in self._given}
        found = [Place(each.url, each.host) for each in members if each.url not in known]
        return Deployment([*self._given, *found], partitions)

    def session(self, key: str) -> Sequence[Document]:
        """Return a session, of each partition that has it."""
        require_key(key)
        return [
            read(session_json(fields, outputPartition=partition))
            for partition, fields in look_up(self._settings, key).items()
        ]

    def history(self, key: str, as_of: str | None) -> Sequence[Document]:
        """Return what a session was: its last records, and what was read."""
        require_key(key)
        until = as_of_ms(as_of)
        with answering():
            history = History(self._settings, key, whole=False, quiet=True)
            return [*map(read, deque(history.documents(until), maxlen=_STEPS))]

    def letters(self, options: Options) -> Document:
        """Return the latest letters, and the summary, of the last offsets of each partition."""
        letters = reading.Letters(self._settings)
        with answering(), progress_bar(as_json=True) as bar:
            selection = _letter_options(options).chosen().selection
            extents = letters.extents(sorted(selection.partitions))
            places = {p: [(end - WINDOW, end - 1)] for p, (_, end) in extents.items()}
            event = options.get("event-id")
            latest = reading.Latest(
                reading.LetterReader(self._settings), _LETTERS, [event] if event else ()
            )
            summary = Summary("hour" if options.get("by") == "hour" else "day")
            for record, letter in letters.chosen(selection._replace(places=places), bar):
                latest.add(record, letter)
                summary.add(letter)
        return {
            "letters": [*latest.documents()],
            "total": latest.total,
            "window": WINDOW,
            "summary": [*summary.rows(as_json=True)],
        }

    def letter(self, place: str) -> Document:
        """Return a letter with its session."""
        record, rejected, session = reading.looked_at(self._settings, reading.place_of(place))
        return dict(
            read(reading.letter_document(record, rejected, reading.session_members(session)))
        )

    def redrive(self, options: Options) -> Document:
        """Return what a redrive would send."""
        asked = redrive.requested(
            _letter_options(options).chosen(), _ATTEMPTS, None, commands=False
        )
        with answering():
            outcome = redrive.redrive(self._settings, asked)
        return redrive.outcome_document(outcome, asked)

    def replays(self) -> Sequence[Document]:
        """Return the replays."""
        return commands.listed(self._settings)

    def replay(self, name: str) -> Sequence[Document]:
        """Return how far a replay is."""
        return commands.progress_of(self._settings, name)

    def difference(self, name: str) -> Document:
        """Return what a comparison found, how often each field differs, and some of them."""
        fields: Counter[str] = Counter()
        examples: list[Document] = []

        def take(partition: int, each: Difference) -> None:
            fields.update(each.fields)
            if len(examples) < _EXAMPLES:
                examples.append(diff.difference_document(partition, each))

        with answering():
            found = diff.compared(self._settings, name, take, quiet=True)
        document = {**found.document(), "byField": dict(fields.most_common())}
        return {**document, "different": found.different, "examples": examples}

    def topics(self) -> Document:
        """Return what is wrong with the topics."""
        findings, verdict = topics.checked(self._settings)
        told = None if verdict is None else topics.verdict_told(verdict)
        return {**topics.check_document(findings, verdict), "told": told}

    def schemas(self) -> Sequence[Document]:
        """Return what is wrong with the schemas."""
        with answering():
            return [row._asdict() for row in schemas.checked(self._settings, None)]

    def offsets(self) -> Sequence[Document]:
        """Return each partition's committed offset."""
        return offsets.glance(self._settings)[1]


def _letter_options(options: Options) -> LetterOptions:
    partition, reason, key = (options.get(name) for name in ("partition", "reason", "key"))
    if partition is not None and not (partition.isdecimal() and len(partition) < 10):  # noqa: PLR2004
        raise InputError(f"partition: {partition!r} is no number", hint="it is counted from 0")
    if reason is not None and reason not in {*Reason}:
        raise InputError(f"reason: there is none called {reason!r}", hint=", ".join(Reason))
    return LetterOptions(
        reason=None if reason is None else [Reason(reason)],
        partition=None if partition is None else [int(partition)],
        from_time=options.get("from-time"),
        key=None if key is None else [key],
    )
