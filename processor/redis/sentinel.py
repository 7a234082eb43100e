"""The primary that Sentinels name, asked whenever a connection to it is made."""

from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004  redis-py's name for it
    TimeoutError,  # noqa: A004
)
from redis.retry import Retry
from redis.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from processor.redis.address import Address
from processor.redis.links import greeting

_OF_REDIS: Final = {
    *("host", "port", "db", "username", "password", "connection_class", "driver_info"),
}

_TIMEOUT: Final = 1.0
"""Seconds for an answer of each Sentinel: all of them are asked in turn, and then once more."""


def sentinel_client(address: Address, options: dict[str, Any]) -> redis.Redis:
    """Return a client of the primary of the moment; `options` are those of its connections."""
    common = {name: value for name, value in options.items() if name not in _OF_REDIS}
    sentinels = _Sentinels(  # type: ignore[no-untyped-call]
        address.nodes,
        sentinel_kwargs={
            **common,
            "socket_timeout": min(_TIMEOUT, common["socket_timeout"]),
            "socket_connect_timeout": min(_TIMEOUT, common["socket_connect_timeout"]),
            **address.sentinel,
            **greeting(tls=address.tls, password=address.sentinel.get("password")),
            "ssl": address.tls,
            "retry": Retry(NoBackoff(), 0),
        },
    )
    own = {name: value for name, value in options.items() if name not in {"host", "port"}}
    own["connection_class"] = (
        SentinelManagedSSLConnection if address.tls else SentinelManagedConnection
    )
    pool = SentinelConnectionPool(address.service, sentinels, **own)  # type: ignore[no-untyped-call]
    return redis.Redis.from_pool(pool)


class _Sentinels(Sentinel):
    """Asks one command of them, tells a refusal from an absence, and shows no connection's guts."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return where the primary is, as the first Sentinel says that knows it.

        Raises AuthenticationError and ResponseError of any of them, and MasterNotFoundError.
        """
        said: list[str] = []
        for at, sentinel in enumerate(self.sentinels):
            place = "{host}:{port}".format_map(sentinel.connection_pool.connection_kwargs)
            try:
                answer = sentinel.execute_command(  # type: ignore[no-untyped-call]
                    "SENTINEL GET-MASTER-ADDR-BY-NAME", service_name
                )
            except AuthenticationError as error:
                raise AuthenticationError(f"the Sentinel at {place}: {error}") from error
            except (ConnectionError, TimeoutError) as error:
                said.append(f"{place} is away ({error})")
                continue
            if answer:
                self.sentinels[0], self.sentinels[at] = sentinel, self.sentinels[0]
                host, port = answer
                return host.decode() if isinstance(host, bytes) else str(host), int(port)
            said.append(f"{place} does not know it")
        raise MasterNotFoundError(f"no Sentinel names {service_name!r}: {', '.join(said)}")
