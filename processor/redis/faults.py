"""The one place where what redis-py raises is sorted.

Refused credentials or commands are Forbidden; a server that is another kind than the URL says is a
ConfigError; an error inside a script of ours is left as it is (a defect); and everything else is
CacheUnavailable: no answer, LOADING, READONLY, CLUSTERDOWN, MASTERDOWN, TRYAGAIN, OOM, BUSY,
MISCONF, Sentinels that know no primary, and what proxies invent. Time or an operator heals these,
and the message names them meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    ClusterCrossSlotError,
    DataError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from processor.errors import ConfigError, Forbidden
from processor.ports.sessions import CacheUnavailable

_REFUSED: Final = (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
)
# Within a script, these stand in the text of another error.
_REFUSED_TEXTS: Final = (
    "NOPERM",
    "DENIED",
    "can't run this command",
    "unknown command",
    "ACL failure",
)
_DEFECT_TEXTS: Final = ("attempt to", "attempted to", "compiling script", "rong number of arg")


@contextmanager
def sorting_errors() -> Iterator[None]:
    """Raise what redis-py raises inside as the errors that this module's docstring names."""
    try:
        yield
    except RedisError as error:
        raise _sorted(error) from error


def _sorted(error: RedisError) -> Exception:
    text = str(error)
    if isinstance(error, _REFUSED) or any(part in text for part in _REFUSED_TEXTS):
        return Forbidden(
            f"Redis refused: {text}",
            hint="check the credentials in PROCESSOR_REDIS_URL and what its user may do: "
            "docs/operations.md lists the permissions",
        )
    if isinstance(error, AskError | ClusterCrossSlotError):
        return ConfigError(
            "PROCESSOR_REDIS_URL names a node of a Redis Cluster as if it were one server",
            hint="begin it with redis+cluster:// (rediss+cluster:// for TLS)",
        )
    if "cluster support disabled" in text:
        return ConfigError(
            "PROCESSOR_REDIS_URL names a Redis Cluster, and the server is not of one",
            hint="begin it with redis:// (rediss:// for TLS)",
        )
    if isinstance(error, DataError) or (
        isinstance(error, ResponseError) and any(part in text for part in _DEFECT_TEXTS)
    ):
        return error
    return CacheUnavailable(f"Redis: {error.status_code or type(error).__name__}: {text}")
