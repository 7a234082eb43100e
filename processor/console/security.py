"""What stands before every page: who may ask, from where, and what a browser may do with it."""

import hmac
from base64 import b64decode
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # With less than that a browser posts our own forms as of no origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_BODY: Final = 16_384
_SAFE: Final = frozenset({"GET", "HEAD"})
_USER_HEADERS: Final = ("x-forwarded-user", "x-auth-request-user", "remote-user")
_log: Final = structlog.get_logger("processor")


class Guard(NamedTuple):
    """Who may ask for what."""

    hosts: frozenset[str]
    """The names, without ports, that a browser may know the console by."""
    users: Mapping[str, str] = {}
    """Passwords by user; empty where nobody is asked for one."""
    behind_proxy: bool = False
    """A proxy tells who asks."""
    actions: bool = False
    """Whether POST is answered."""


class Guarded:
    """The application behind its guard."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or have the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None and scope["method"] == "POST":
            scope["console.who"] = who = self._who(scope, headers)
            _log.info("console asked to act", who=who, path=scope["path"])
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        guard = self._guard
        if _name(headers.get("host", "")) not in guard.hosts:
            return _refused(
                421, "this name is not one of the console's: start it with --allow-host NAME"
            )
        if guard.users and _user(headers, guard.users) is None:
            challenge = {"WWW-Authenticate": 'Basic realm="session-processor", charset="UTF-8"'}
            return _refused(401, "a user and a password are needed", challenge)
        return None if scope["method"] in _SAFE else self._refusal_to_act(scope, headers)

    def _refusal_to_act(self, scope: Scope, headers: Headers) -> Response | None:
        if scope["method"] != "POST" or not self._guard.actions:
            why = "" if self._guard.actions else "; started with --allow-actions it acts too"
            return _refused(405, f"the console only shows{why}", {"Allow": "GET, HEAD"})
        if not _same_origin(headers):
            return _refused(403, "a page of another site may not have the console act")
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _BODY:
            return _refused(413, f"at most {_BODY:,} bytes, and their number is to be told")
        return None

    def _who(self, scope: Scope, headers: Headers) -> str:
        if self._guard.users:
            return _user(headers, self._guard.users) or ""
        if self._guard.behind_proxy:
            told = next(filter(None, map(headers.get, _USER_HEADERS)), None)
            return told or "nobody that the proxy names"
        return f"somebody at {(scope.get('client') or ['?'])[0]}"


def _same_origin(headers: Headers) -> bool:
    """Whether a page of our own asks; a browser that tells neither is not believed."""
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return site is not None


def _name(host: str) -> str:
    """Return the name of a Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[").lower()
    return host.partition(":")[0].lower()


def _user(headers: Headers, users: Mapping[str, str]) -> str | None:
    """Return who asks, None where the password is not theirs. Takes as long for any user."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    try:
        name, _, password = b64decode(given, validate=True).decode().partition(":")
    except ValueError:
        return None
    right = hmac.compare_digest(users.get(name, "").encode(), password.encode())
    return name if right and name in users and kind.lower() == "basic" else None


def _refused(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(why + "\n", status, headers)
