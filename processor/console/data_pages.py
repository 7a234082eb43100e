"""The pages that ask the servers: sessions, dead letters, replays, topics and schemas."""

from collections import Counter
from collections.abc import Callable, Mapping
from shlex import quote
from threading import BoundedSemaphore
from typing import Any, Final, TypeVar

from starlette.requests import Request

from processor.console.app import Page, Pages, Shown
from processor.console.once import Once
from processor.console.source import Source
from processor.console.values import Masking
from processor.core.outcome import Reason
from processor.errors import InputError, NotFound, Unavailable
from processor.ports.clock import Clock

FRESH_S: Final = 5.0
"""For how long an answer of a server serves the same page."""
_AT_ONCE: Final = 2
_PATIENCE_S: Final = 10.0
_LONGEST: Final = 500
_BARS: Final = 60
_CLI: Final = "session-processor"
_CHOOSING: Final = ("partition", "reason", "key", "from-time")
_OPTIONS: Final = (*_CHOOSING, "event-id", "by")
T = TypeVar("T")


class DataPages:
    """Made of what the commands tell; values are masked before a page or its twin has them."""

    def __init__(self, source: Source, masking: Masking, clock: Clock) -> None:
        self._source = source
        self._masking = masking
        self._once = Once(clock, FRESH_S)
        self._reading = BoundedSemaphore(_AT_ONCE)

    def add_to(self, pages: Pages) -> None:
        """Add them."""
        pages.add("/session", "session.html", self.session)
        pages.add("/session/history", "history.html", self.history)
        pages.add("/dead-letters", "letters.html", self.letters)
        pages.add("/dead-letters/redrive", "redrive.html", self.redrive, acts=True)
        named, source = self._named, self._source
        pages.add("/dead-letters/{name}", "letter.html", named("dead-letters show", source.letter))
        pages.add("/replays", "replays.html", self.replays)
        pages.add("/replays/{name}", "replay.html", named("replay status", source.replay))
        difference = named("replay diff", source.difference)
        pages.add("/replays/{name}/diff", "difference.html", difference)
        pages.add("/topics", "topics.html", self.topics)

    def session(self, request: Request) -> Shown:
        """Show a session as it is now, or ask for its key."""
        key = _given(request, ("key",)).get("key")
        if key is None:
            return Shown({"sessions": []}, [f"{_CLI} sessions get KEY"], {"key": "", "why": ""})
        commands = [f"{_CLI} sessions {each} {quote(key)}" for each in ("get", "history")]
        why = ""
        try:
            found = self._asked(("session", key), lambda: self._source.session(key))
        except NotFound as error:
            found, why = [], error.message
        document = {"sessions": [self._masking.of(each) for each in found]}
        return Shown(document, commands, {"key": key, "why": why})

    def history(self, request: Request) -> Shown:
        """Show what a session was, all of it or at one time."""
        given = _given(request, ("key", "as-of"))
        key, as_of = given.get("key"), given.get("as-of")
        if key is None:
            raise InputError("no session is named", hint="a key is APPLICATION:INTEGRATION")
        steps = self._asked(("history", key, as_of), lambda: self._source.history(key, as_of))
        command = f"{_CLI} sessions history {quote(key)}"
        command += f" --as-of {quote(as_of)}" if as_of else ""
        more = {"key": key, "as_of": as_of or ""}
        return Shown([self._masking.of(each) for each in steps], [command], more)

    def letters(self, request: Request) -> Shown:
        """Show the latest letters, and how many there were when."""
        given = _given(request, _OPTIONS)
        question = ("letters", *sorted(given.items()))
        found = self._asked(question, lambda: self._source.letters(given))
        document = {**found, "letters": [self._masking.of(each) for each in found["letters"]]}
        counts: Counter[str] = Counter()
        for row in found["summary"]:
            counts[str(row.get("day") or row.get("hour"))] += row["letters"]
        chart = dict(sorted(counts.items())[-_BARS:])
        listing = {("since" if name == "from-time" else name): each for name, each in given.items()}
        commands = [
            f"{_CLI} dead-letters summary" + _flags(given, "event-id"),
            f"{_CLI} dead-letters list" + _flags(listing, "by"),
        ]
        reasons = [each.value for each in Reason]
        more = {name.replace("-", "_"): given.get(name, "") for name in _OPTIONS}
        return Shown(document, commands, {"chart": chart, "reasons": reasons, **more})

    def redrive(self, request: Request) -> Shown:
        """Show what a redrive would send; it is sent by the command alone."""
        given = _given(request, _CHOOSING)
        found = self._read(lambda: self._source.redrive(given))
        command = f"{_CLI} dead-letters redrive" + _flags(given, "by", "event-id")
        return Shown(found, [command, f"{command} --yes"])

    def topics(self, _request: Request) -> Shown:
        """Show what is wrong with topics, schemas and committed offsets."""
        document = {
            "topics": self._asked(("topics",), self._source.topics),
            "schemas": self._asked(("schemas",), self._source.schemas),
            "offsets": self._asked(("offsets",), self._source.offsets),
        }
        commands = [f"{_CLI} {each}" for each in ("topics check", "schemas check", "offsets show")]
        return Shown(document, commands)

    def replays(self, _request: Request) -> Shown:
        """Show the replays there are."""
        return Shown(self._asked(("replays",), self._source.replays), [f"{_CLI} replay list"])

    def _named(self, command: str, ask: Callable[[str], Any]) -> Page:
        """Return the page of what the path names, as a command tells it."""

        def page(request: Request) -> Shown:
            name = request.path_params["name"]
            found = self._asked((command, name), lambda: ask(name))
            commands = [f"{_CLI} {command} {quote(name)}"]
            return Shown(self._masking.of(found), commands, {"name": name})

        return page

    def _asked(self, question: tuple[object, ...], ask: Callable[[], T]) -> T:
        return self._once.get(question, lambda: self._read(ask))

    def _read(self, ask: Callable[[], T]) -> T:
        """Ask the servers, as soon as not too many pages do."""
        if not self._reading.acquire(timeout=_PATIENCE_S):
            hint = "load the page again in a moment"
            raise Unavailable(f"{_AT_ONCE} other pages ask the servers already", hint=hint)
        try:
            return ask()
        finally:
            self._reading.release()


def _given(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """Return what a form gave under these names, without what is empty. Raises InputError."""
    query = [*request.query_params.multi_items(), *getattr(request.state, "form", ())]
    given = {name: text.strip() for name, text in query if name in names and text.strip()}
    for name, text in given.items():
        if len(text) > _LONGEST:
            raise InputError(f"{name} has {len(text):,} characters", hint=f"at most {_LONGEST}")
    return given


def _flags(given: Mapping[str, Any], *without: str) -> str:
    return "".join(
        f" --{name} {quote(each)}" for name, each in given.items() if name not in without
    )
