"""The console's application: its routes, and how a page and its twin are made of one document."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from processor.console import charts
from processor.console.security import Guard, Guarded
from processor.errors import (
    ConfigError,
    Forbidden,
    InputError,
    NotFound,
    ProcessorError,
    Unavailable,
)
from processor.telemetry.visible import printable

_HERE: Final = Path(__file__).parent
_HTTP: Final[Mapping[type[ProcessorError], int]] = {
    NotFound: 404,
    InputError: 400,
    ConfigError: 400,
    Unavailable: 503,
    Forbidden: 502,
}
_FIELDS: Final = 20
_ROOM: Final = 45_000
"""Bytes; with all that surrounds them a page is below 100 KB."""
_LONGEST: Final = 1_000
_log: Final = structlog.get_logger("processor")


class Shown(NamedTuple):
    """What a page shows: its document, the commands that print the same, and what is beside it."""

    document: Any
    commands: Sequence[str]
    more: Mapping[str, Any] = {}


Page = Callable[[Request], Shown]


class Pages:
    """Gathers routes: each page has a template, and a twin whose path ends in `.json`."""

    def __init__(self, guard: Guard, about: Mapping[str, Any]) -> None:
        self._guard = guard
        self._templates = _environment()
        self._about = {**about, "actions": guard.actions}
        self._routes: list[Route] = []

    def add(
        self,
        path: str,
        template: str,
        page: Page,
        *,
        twin: str | None = None,
        acts: bool = False,
    ) -> None:
        """Add a page; `acts` says that it answers POST alone."""
        twin = twin or f"{path}.json"
        methods = ["POST"] if acts else ["GET"]

        async def html(request: Request) -> Response:
            await _read_form(request)
            return await run_in_threadpool(self._html, request, template, page, twin)

        async def plain(request: Request) -> Response:
            await _read_form(request)
            return await run_in_threadpool(self._json, request, page)

        # The twin first: a name in a path would else take its ending.
        self._routes += [Route(twin, plain, methods=methods), Route(path, html, methods=methods)]

    def application(self) -> Guarded:
        """Return it all, behind its guard."""
        static = StaticFiles(directory=_HERE / "static")
        routes = [*self._routes, Mount("/static", static)]
        otherwise = {HTTPException: self._no_page, Exception: self._defect}
        app = Starlette(routes=routes, exception_handlers=otherwise)
        app.router.redirect_slashes = False
        return Guarded(app, self._guard)

    def _html(self, request: Request, template: str, page: Page, twin: str) -> Response:
        try:
            shown = page(request)
        except ProcessorError as error:
            return self._failed(_status(error), error.message, error.hint)
        own = twin if "{" not in twin else request.url.path + ".json"
        own = own if request.method != "POST" else ""  # a link would not send the form
        query = f"?{request.url.query}" if request.url.query else ""
        told = {"doc": shown.document, "commands": shown.commands, "twin": own and own + query}
        return self._render(template, 200, **told, **shown.more)

    def _json(self, request: Request, page: Page) -> Response:
        try:
            return _document(page(request).document)
        except ProcessorError as error:
            told = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
            return _document(told, _status(error))

    def _no_page(self, request: Request, error: Exception) -> Response:
        message = f"{request.url.path}: {getattr(error, 'detail', 'there is no such page')}"
        return self._failed(getattr(error, "status_code", 500), message)

    def _defect(self, _request: Request, error: Exception) -> Response:
        _log.error("this is a defect of session-processor", exc_info=error)
        return self._failed(500, "this is a defect of session-processor: its log has more")

    def _failed(self, status: int, message: str, hint: str = "") -> Response:
        return self._render("error.html", status, message=message, hint=hint)

    def _render(self, template: str, status: int, **more: Any) -> Response:
        page = {"commands": [], "twin": "", **more, **self._about, "room": Room()}
        text = self._templates.get_template(template).render(page)
        return HTMLResponse(text.encode("utf-8", "backslashreplace"), status)


async def _read_form(request: Request) -> None:
    """Have the fields of a form at hand; the guard has seen to its length."""
    if request.method == "POST":
        body = (await request.body()).decode("utf-8", "replace")
        try:
            request.state.form = parse_qsl(body, max_num_fields=_FIELDS)
        except ValueError:  # more of them: none is ours
            request.state.form = []


class Room:
    """What is left of a page for texts that others wrote: however many, it stays small."""

    def __init__(self) -> None:
        self._left = _ROOM

    def take(self, value: object) -> Markup:
        """Return a value as it is shown, cut where it is long, escaped."""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rest = f" … and {len(text) - _LONGEST:,} more" if len(text) > _LONGEST else ""
        shown = Markup.escape(printable(text[:_LONGEST])) + rest
        size = len(shown.encode("utf-8", "backslashreplace"))
        if size > self._left:
            return Markup('<span class="quiet">… see the JSON</span>')
        self._left -= size
        return shown


def link(path: str, **query: object) -> str:
    """Return a path with a query of whatever is given."""
    given = {name: str(value) for name, value in query.items() if value not in {None, ""}}
    return path + ("?" + urlencode(given, errors="backslashreplace") if given else "")


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"link": link, "spark": charts.spark, "bars": charts.bars}
    made.filters |= {"number": _number, "text": _text}
    return made


def _visible(value: object) -> object:
    """Return what is put into a page: no text moves a cursor or turns the direction of writing."""
    if isinstance(value, Markup):
        return value
    return printable(value) if isinstance(value, str) else "" if value is None else value


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


@pass_context
def _text(context: Context, value: object) -> Markup:
    room = context["room"]
    return room.take(value) if isinstance(room, Room) else Markup.escape(value)


def _status(error: ProcessorError) -> int:
    return _HTTP.get(type(error), 500)


def _document(document: Any, status: int = 200) -> Response:
    body = json.dumps(document, default=str) + "\n"
    return Response(body, status, media_type="application/json")
