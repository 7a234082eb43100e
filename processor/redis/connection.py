"""Redis as the rest of the package sees it: scripts and commands in, answers out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple, Self

from redis.exceptions import NoScriptError, RedisError

from processor.errors import ConfigError
from processor.ports.sessions import CacheUnavailable
from processor.redis.address import Address, parsed
from processor.redis.cluster import ClusterLink
from processor.redis.faults import sorting_errors
from processor.redis.links import Argument, Keyed, Link, OneServer, client_of, options_of
from processor.redis.scripts import Script
from processor.redis.sentinel import sentinel_client


class Call(NamedTuple):
    """One use of a script."""

    keys: Sequence[str]
    arguments: Sequence[Argument]


def _ignored(_seconds: float) -> None:
    """Stand for nobody who wants to be told."""


class Server:
    """Redis or Valkey, spoken to in bytes: a server, a primary that Sentinel names, or a cluster.

    Every script may be repeated. Every method may block for the timeout, however many servers there
    are, and again where it has to connect, and raises CacheUnavailable, Forbidden or ConfigError.
    After CacheUnavailable the next call looks for the servers anew. Threads take turns.
    """

    def __init__(self, link: Link, answered: Callable[[float], object] = _ignored) -> None:
        self._link = link
        self._answered = answered
        self._turn = Lock()

    @classmethod
    def from_url(
        cls, url: str, *, timeout: float = 5.0, answered: Callable[[float], object] = _ignored
    ) -> Self:
        """Make one that connects when it is first used; `answered` is told the seconds of each use.

        Raises ConfigError for a URL it is not.
        """
        try:
            address = parsed(url)
        except ValueError as error:
            raise ConfigError(
                f"PROCESSOR_REDIS_URL is not a Redis URL: {error}",
                hint="docs/operations/settings.md says where Redis may be, and by which options",
            ) from error
        return cls(_link(address, options_of(address, timeout)), answered)

    def run(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """Return the answer of each call, in order, in one round trip to each server.

        The script is sent in full where a server does not know it (any more). None stands for a
        key of another type than the script expects. An error of any call is raised after all were
        tried; where a server does not answer, some may not have been.
        """
        with self._asking():
            answers = self._evaluate("EVALSHA", script.digest, calls)
            missing = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if missing:
                again = self._evaluate("EVAL", script.source, [calls[at] for at in missing])
                for at, answer in zip(missing, again, strict=True):
                    answers[at] = answer
            return _checked(answers)

    def ask(self, *commands: Sequence[Argument]) -> list[Any]:
        """Return the answer of each command, each of one key, as `run` does."""
        with self._asking():
            return _checked(self._link.exchange([Keyed(str(each[1]), each) for each in commands]))

    def everywhere(self, *command: Argument) -> list[Any]:
        """Return what each server that takes writes answers; there are several in a cluster."""
        with self._asking():
            return _checked(self._link.everywhere(command))

    def pipeline(self, transaction: bool = False) -> "Command":  # noqa: FBT001, FBT002  as redis-py's
        """Return what `processor.reader` asks with, as it does with a client of redis-py."""
        if transaction:
            raise ValueError("commands of several slots are no transaction")
        return Command(self)

    def close(self) -> None:
        """Close the connections. Raises nothing."""
        self._link.close()

    def _evaluate(self, how: str, script: str, calls: Sequence[Call]) -> list[Any]:
        return self._link.exchange(
            [
                Keyed(keys[0] if keys else "", (how, script, len(keys), *keys, *arguments))
                for keys, arguments in calls
            ]
        )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with self._turn:
            since = monotonic()
            try:
                with sorting_errors():
                    yield
            except CacheUnavailable:
                self._link.renew()
                raise
            finally:
                self._answered(monotonic() - since)


class Command:
    """Commands of one key each, gathered and then asked together."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._commands: list[Sequence[Argument]] = []

    def execute_command(self, *command: Argument) -> None:
        """Remember a command."""
        self._commands.append(command)

    def execute(self) -> list[Any]:
        """Return the answers, as `Server.ask` does."""
        return self._server.ask(*self._commands)


def _link(address: Address, options: dict[str, Any]) -> Link:
    if address.kind == "cluster":
        return ClusterLink(address.nodes, {**options, "db": 0})
    if address.kind == "sentinel":
        return OneServer(sentinel_client(address, options))
    return OneServer(client_of(options))


def _checked(answers: list[Any]) -> list[Any]:
    for at, answer in enumerate(answers):
        if isinstance(answer, RedisError):
            if "WRONGTYPE" not in str(answer):
                raise answer
            answers[at] = None
    return answers
