"""The connection, and the one place where what redis-py raises is sorted.

Refused credentials or commands are Forbidden, a node of a Redis Cluster is a ConfigError, an error
inside a script of ours is left as it is (a defect), and everything else is CacheUnavailable: no
answer, LOADING, READONLY, CLUSTERDOWN, MASTERDOWN, TRYAGAIN, OOM, BUSY, MISCONF and what proxies
invent. Time or an operator heals these, and the message names them meanwhile.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    ClusterCrossSlotError,
    ConnectionError,  # noqa: A004  redis-py's name for it
    DataError,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from processor.errors import ConfigError, Forbidden
from processor.ports.sessions import CacheUnavailable
from processor.redis.scripts import Script

_REFUSED: Final = (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
)
# Within a script, servers before 7.0 put these into the text of another error.
_REFUSED_TEXTS: Final = ("NOPERM", "DENIED", "can't run this command", "unknown command")
_DEFECT_TEXTS: Final = ("attempt to", "attempted to", "compiling script", "rong number of arg")

Argument = bytes | str | int


class Call(NamedTuple):
    """One use of a script."""

    keys: Sequence[str]
    arguments: Sequence[Argument]


def _sorted(error: RedisError) -> Exception:
    text = str(error)
    if isinstance(error, _REFUSED) or any(part in text for part in _REFUSED_TEXTS):
        return Forbidden(
            f"Redis refused: {text}",
            hint="check the credentials in PROCESSOR_REDIS_URL and what its user may do",
        )
    if isinstance(error, AskError | ClusterCrossSlotError):
        return ConfigError(
            "PROCESSOR_REDIS_URL names a node of a Redis Cluster",
            hint="name a server, or a proxy or an endpoint that speaks for one",
        )
    if isinstance(error, DataError) or (
        isinstance(error, ResponseError) and any(part in text for part in _DEFECT_TEXTS)
    ):
        return error
    return CacheUnavailable(f"Redis: {error.status_code or type(error).__name__}: {text}")


@contextmanager
def sorting_errors() -> Iterator[None]:
    """Raise what redis-py raises inside as the errors that this module's docstring names."""
    try:
        yield
    except RedisError as error:
        raise _sorted(error) from error


class Server:
    """A Redis or Valkey server, spoken to in bytes.

    A connection that was closed while idle is opened again once, at once and unseen: every script
    may be repeated. A timeout is not, since it has cost its time already. Every method may block
    for the timeout and raises CacheUnavailable, Forbidden or ConfigError.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    @classmethod
    def from_url(cls, url: str, *, timeout: float = 5.0) -> Self:
        """Make one that connects when it is first used. Raises ConfigError for a URL it is not."""
        try:
            client = redis.Redis.from_url(
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                socket_keepalive=True,
                protocol=2,  # nothing of RESP3 is used, and some proxies do not speak it
                retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            )
        except ValueError:
            # The library's words may be a part of the password, where it holds a "/" or a "#".
            raise ConfigError(
                "PROCESSOR_REDIS_URL is not a Redis URL",
                hint="percent-encode what is special in its user and password: "
                "redis://user:p%2Fss@redis:6379/0",
            ) from None
        if client.get_encoder().decode_responses:
            raise ConfigError("PROCESSOR_REDIS_URL asks for decode_responses; snapshots are bytes")
        return cls(client)

    def run(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """Return the answer of each call, in order, in one round trip.

        The script is sent first where the server does not know it (any more). None stands for a
        key of another type than the script expects. An error of any call is raised after all were
        tried.
        """
        with sorting_errors():
            answers = self._attempt(script, calls)
            missing = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if missing:
                self.client.script_load(script.source)
                again = self._attempt(script, [calls[at] for at in missing])
                for at, answer in zip(missing, again, strict=True):
                    answers[at] = answer
            return _checked(answers)

    def ask(self, *commands: Sequence[Argument]) -> list[Any]:
        """Return the answer of each command as `run` does; they may be repeated."""
        with sorting_errors():
            pipeline = self.client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return _checked(pipeline.execute(raise_on_error=False))

    def close(self) -> None:
        """Close the connections. Raises nothing."""
        self.client.close()

    def _attempt(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for keys, arguments in calls:
            pipeline.evalsha(script.digest, len(keys), *keys, *arguments)
        return pipeline.execute(raise_on_error=False)


def _checked(answers: list[Any]) -> list[Any]:
    for at, answer in enumerate(answers):
        if isinstance(answer, RedisError):
            if "WRONGTYPE" not in str(answer):
                raise answer
            answers[at] = None
    return answers
