"""Redis' errors, sorted once: every branch elsewhere is one of the few that are raised here.

| what Redis or redis-py says                                              | what follows       |
|--------------------------------------------------------------------------|--------------------|
| no answer, no connection, too many clients, no primary that Sentinels know | CacheUnavailable |
| LOADING, READONLY, CLUSTERDOWN, MASTERDOWN, TRYAGAIN, BUSY, MISCONF,      | CacheUnavailable   |
| NOREPLICAS                                                               |                    |
| OOM                                                                      | CacheFull          |
| WRONGTYPE                                                                | a loss: no value   |
| NOSCRIPT; MOVED and ASK in a cluster                                     | asked again        |
| NOAUTH, WRONGPASS, AUTH that is not taken, NOPERM, DENIED                | Forbidden          |
| the same within a script; a command that is unknown, or barred from one  | Forbidden          |
| a database that does not exist                                           | ConfigError        |
| HELLO unknown, NOPROTO: the protocol of the URL's option                 | ConfigError        |
| a client name that is not taken                                          | ConfigError        |
| SENTINEL unknown: the server is no Sentinel                              | ConfigError        |
| MOVED, ASK, CROSSSLOT, SELECT in cluster mode, of one server             | ConfigError        |
| no cluster support, of a cluster                                         | ConfigError        |
| an error of Lua, or a command of a wrong form: a defect                  | left as it is      |
| anything else                                                            | CacheUnavailable   |

Retried is what time or an operator heals at the server, and the message names it meanwhile; of what
is not known it says so. Fatal is what only another URL, another user or other rights can mend: it
ends the service with that remedy. What is wrong with the URL by itself never comes this far
(`processor.redis.address`). Within a script, before Redis 7, a code stands inside of another text.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    ConnectionError,  # noqa: A004  redis-py's name for it
    DataError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
    TryAgainError,
)

from processor.errors import ConfigError, Forbidden
from processor.ports.sessions import CacheUnavailable

_REFUSED: Final = (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
)
_REFUSED_TEXT: Final = re.compile(
    r"\b(NOAUTH|WRONGPASS|NOPERM|DENIED)\b|ACL failure"
    r"|can't (run this command|access at least one of the keys)"
    r"|(?i:unknown (\w+ )?command|unsupported command|command is not allowed)"
)
_PASSING: Final = (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    ReadOnlyError,
    TimeoutError,
    TryAgainError,
)
_PASSING_TEXT: Final = re.compile(
    r"\b(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS)\b"
)
_DEFECT_TEXT: Final = re.compile(
    r"attempt(ed)? to|compiling script|rong number of arg|results to unpack|syntax error"
)
_NODE: Final = (
    "names a node of a Redis Cluster as if it were one server",
    "begin it with redis+cluster:// (rediss+cluster:// for TLS)",
)
_WRONG_URL: Final = (
    (
        re.compile(r"(?i)DB index"),
        "names a database that the server does not have",
        "name one below its setting `databases` (0 to 15, if nobody changed it), or none",
    ),
    (
        re.compile(r"NOPROTO|(?i:unknown command [`']?hello\b)"),
        "asks for a protocol that the server does not speak",
        "leave out its option protocol: nothing that 3 has is used",
    ),
    (
        re.compile("(?i)client names cannot contain"),
        "has a client_name that the server does not take",
        "write it without spaces and special characters, or leave it out",
    ),
    (
        re.compile(r"(?i)unknown command [`']?sentinel\b"),
        "names a server as a Sentinel, and it is none",
        "name the Sentinels and their port (26379), or begin with redis:// (rediss:// for TLS)",
    ),
    (re.compile("SELECT is not allowed in cluster mode"), *_NODE),
    (
        re.compile("cluster support disabled"),
        "names a Redis Cluster, and the server is not of one",
        "begin it with redis:// (rediss:// for TLS)",
    ),
)


class CacheFull(CacheUnavailable):
    """The server has reached `maxmemory`, and what was to be written takes memory."""


@contextmanager
def sorting_errors() -> Iterator[None]:
    """Raise what redis-py raises inside as the errors that this module's docstring names."""
    try:
        yield
    except RedisError as error:
        raise _sorted(error) from error


def _sorted(error: RedisError) -> Exception:
    text = str(error)
    said = f"Redis: {error.status_code or type(error).__name__}: {text}"
    if isinstance(error, _PASSING) and not isinstance(error, _REFUSED):
        return CacheUnavailable(said)
    if (fatal := _fatal(error, text)) is not None:
        return fatal
    if isinstance(error, OutOfMemoryError) or "-OOM " in text:
        return CacheFull(said)
    if not _PASSING_TEXT.search(text):
        said += " (not known to pass by itself: see what the server, or a proxy, lacks)"
    return CacheUnavailable(said)


def _fatal(error: RedisError, text: str) -> Exception | None:
    wrong = _NODE if isinstance(error, AskError | ClusterCrossSlotError) else None
    for pattern, message, hint in _WRONG_URL:
        if pattern.search(f"{error.status_code} {text}"):
            wrong = (message, hint)
    if wrong is not None:
        return ConfigError(f"PROCESSOR_REDIS_URL {wrong[0]} ({text})", hint=wrong[1])
    if isinstance(error, _REFUSED) or _REFUSED_TEXT.search(text):
        return Forbidden(
            f"Redis refused: {text}",
            hint="check the credentials in PROCESSOR_REDIS_URL and what its user may do: "
            "docs/operations/permissions.md lists the permissions",
        )
    defect = isinstance(error, ResponseError) and _DEFECT_TEXT.search(text)
    return error if defect or isinstance(error, DataError) else None
