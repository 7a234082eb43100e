"""Where a process can be asked, and its announcement of that."""

import socket
from contextlib import ExitStack, closing
from hashlib import blake2b
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from processor.config import Settings
from processor.config.checks import NOT_ANNOUNCED
from processor.ports.members import Member
from processor.redis.address import parsed
from processor.redis.connection import Server
from processor.redis.directory import RedisDirectory
from processor.redis.keys import Keys
from processor.redis.members import RedisMembers
from processor.telemetry.announcing import Announcing

_TIMEOUT_S: Final = 2.0


def announce(settings: Settings, port: int, ending: ExitStack) -> None:
    """Begin to announce the endpoint on this port, unless the settings say not to."""
    url = url_of(settings, port)
    if url is None:
        return
    server = Server.from_url(settings.redis_url, timeout=_TIMEOUT_S)
    members = RedisMembers(server, Keys(settings.redis_prefix))
    host = socket.gethostname()
    # No two processes have one port of one machine at the same time.
    name = blake2b(f"{host} {url}".encode(), digest_size=8).hexdigest()
    ending.callback(Announcing(members, Member(name, url, host)).close)


def announced(settings: Settings) -> tuple[list[Member], int | None]:
    """Return the processes that are there, and the partition count that they recorded.

    Raises CacheUnavailable, Forbidden and ConfigError.
    """
    keys = Keys(settings.redis_prefix)
    with closing(Server.from_url(settings.redis_url, timeout=_TIMEOUT_S)) as server:
        members = RedisMembers(server, keys).announced()
        return members, RedisDirectory(server, keys).partitions()


def url_of(settings: Settings, port: int) -> str | None:
    """Return the URL that others reach the endpoint by; None where it is not to be announced.

    An endpoint on every address has the one by which this machine would reach Redis.
    """
    given = settings.http_advertise
    if given is not None:
        return None if given == NOT_ANNOUNCED else given
    host = settings.http_host
    try:
        if ip_address(host).is_unspecified:
            host = _address_towards(settings.redis_url)
    except ValueError:
        pass  # a name
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _address_towards(redis_url: str) -> str:
    """Return this machine's address in the network of Redis. Nothing is sent for that."""
    address = parsed(redis_url)
    parts = urlsplit(address.url)
    host, port = (*address.nodes, (parts.hostname or "", parts.port or 1))[0]
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(place)
            return str(probe.getsockname()[0])
    except OSError:  # a socket of this machine, or a name that nobody knows
        return socket.gethostname()
