"""Ways to servers: what is sent where, for one server (also one that Sentinel names)."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError  # noqa: A004  redis-py's name for it
from redis.retry import Retry

from processor.redis.address import Address

Argument = bytes | str | int


class Keyed(NamedTuple):
    """A command, and the key that says which slot it belongs to."""

    key: str
    command: Sequence[Argument]


class Link(Protocol):
    """A way to the servers. One thread uses it at a time.

    An error answer stands in its place; a server that does not answer is raised, or stands there
    too. Whatever is sent may be sent again: a command whose answer was lost may have happened.
    """

    def exchange(self, commands: Sequence[Keyed]) -> list[Any]:
        """Return the answer of each command, in one round trip to each server that is concerned."""

    def everywhere(self, command: Sequence[Argument]) -> list[Any]:
        """Return the answer of each server that takes writes."""

    def renew(self) -> None:
        """Forget where the servers are, and close the connections: what they did was no use."""

    def close(self) -> None:
        """Close the connections. Raises nothing."""


class OneServer:
    """The link to one server, or to the primary that Sentinels name whenever it connects.

    A connection that was closed while idle is opened again once, at once and unseen. A timeout is
    not, since it has cost its time already.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def exchange(self, commands: Sequence[Keyed]) -> list[Any]:
        """Return the answer of each command, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for _, command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        return pipeline.execute(raise_on_error=False)

    def everywhere(self, command: Sequence[Argument]) -> list[Any]:
        """Return the answer of the server."""
        return self.exchange([Keyed("", command)])

    def renew(self) -> None:
        """Close the connections: behind the name, or Sentinel, may be another server by now."""
        self._client.connection_pool.disconnect()

    def close(self) -> None:
        """Close the connections. Raises nothing."""
        self._client.close()


def options_of(address: Address, timeout: float) -> dict[str, Any]:
    """Return what redis-py makes each connection with; options of the URL win."""
    own = parse_url(address.url)  # type: ignore[no-untyped-call]
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "protocol": 2,  # nothing of RESP3 is used, and some proxies do not speak it
        "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        **greeting(tls=address.tls, password=own.get("password")),
        **own,
    }


def greeting(*, tls: bool, password: str | None) -> dict[str, Any]:
    """Return what keeps redis-py from telling its name, which takes the right to CLIENT SETINFO.

    Over TLS 1.3 it needs an answer to something before the first command, since else it takes the
    server's session tickets for data that were left unread. The one to a password will do.
    """
    return {} if tls and not password else {"driver_info": None}


def client_of(options: dict[str, Any]) -> redis.Redis:
    """Return a client of one server; it connects when it is first used."""
    return redis.Redis.from_pool(redis.ConnectionPool(**options))
