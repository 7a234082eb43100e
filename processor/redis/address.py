"""Where Redis is, read from its URL: one server, a primary that Sentinel names, or a cluster.

redis://[user:password@]host:port[/db]                           one server
redis+sentinel://[user:password@]host:port,…/service[/db]        the Sentinels, and what they watch
redis+cluster://[user:password@]host:port,…                      any nodes of a Redis Cluster

`rediss` instead of `redis` is TLS, `unix:///path` a socket of this machine. Options follow a `?`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

Kind = Literal["server", "sentinel", "cluster"]
Node = tuple[str, int]

SCHEMES: Final = (
    "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, "
    "redis+cluster:// or rediss+cluster://"
)

_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS: Final = {
    *_FILES,
    "ssl_password",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_min_version",
}
_SENTINEL: Final = {"sentinel_username": "username", "sentinel_password": "password"}
OPTIONS: Final = {
    *("db", "username", "password", "client_name", "protocol", "timeout"),
    *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "socket_read_size"),
    *("max_connections", "health_check_interval"),
}
"""Options of every connection."""
_PORTS: Final[Mapping[Kind, int]] = {"server": 6379, "sentinel": 26379, "cluster": 6379}


class Address(NamedTuple):
    """Where Redis is. `url` is one that redis-py reads: of a server, or of the first node."""

    kind: Kind
    url: str
    nodes: tuple[Node, ...] = ()
    service: str = ""
    """What the Sentinels call the primary and its replicas."""
    sentinel: Mapping[str, str] = {}
    """The credentials that the Sentinels ask for, which are not those of Redis."""

    @property
    def tls(self) -> bool:
        """Whether every connection is encrypted."""
        return self.url.startswith("rediss://")


def parsed(url: str) -> Address:
    """Read a URL. Raises ValueError, which never tells a secret of it."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its message may repeat a part of the password
        raise ValueError("it is not a URL") from None
    scheme, _, mode = parts.scheme.partition("+")
    kind = _kind(scheme, mode)
    if "@" in parts.query + parts.fragment + (parts.path if scheme != "unix" else ""):
        # Without this a part of a password would pass for a path or an option, and be told.
        raise ValueError(
            "it has an @ behind its host; write @ / ? # of a password as %40 %2F %3F %23"
        )
    options = parse_qsl(parts.query, keep_blank_values=True)
    _check_options(dict(options), kind, tls=scheme == "rediss")
    user, at, places = parts.netloc.rpartition("@")
    if kind == "server":
        if "," in places:
            raise ValueError(
                "it names several servers as one: begin it with redis+sentinel:// or "
                "redis+cluster://, or rediss with either"
            )
        if places:
            _node(places, _PORTS[kind])
        return Address("server", url)
    nodes = tuple(_node(place, _PORTS[kind]) for place in places.split(","))
    service, database = "", parts.path.strip("/")
    if kind == "sentinel":
        service, _, database = database.partition("/")
        if not service:
            raise ValueError("it names no service after the Sentinels: redis+sentinel://…/mymaster")
    if database and not database.isdigit():
        raise ValueError("its path does not end in the number of a database")
    if kind == "cluster" and int(dict(options).get("db") or database or 0):
        raise ValueError("it names a database, and a Redis Cluster has none but 0")
    query = urlencode([(name, value) for name, value in options if name not in _SENTINEL])
    host, port = nodes[0]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Address(
        kind,
        f"{scheme}://{user}{at}{place}/{database}" + (f"?{query}" if query else ""),
        nodes,
        service,
        {_SENTINEL[name]: value for name, value in options if name in _SENTINEL},
    )


def _kind(scheme: str, mode: str) -> Kind:
    if scheme in {"redis", "rediss"}:
        if mode == "sentinel":
            return "sentinel"
        if mode == "cluster":
            return "cluster"
        if not mode:
            return "server"
    elif scheme == "unix" and not mode:
        return "server"
    raise ValueError(f"it does not begin with {SCHEMES}")


def _check_options(options: Mapping[str, str], kind: Kind, *, tls: bool) -> None:
    if options.get("decode_responses"):
        raise ValueError("it asks for decode_responses; snapshots are bytes")
    for name in options:
        if name in _SENTINEL and kind != "sentinel":
            raise ValueError(f"its option {name} is for redis+sentinel:// alone")
        if name in _TLS and not tls:
            raise ValueError(f"its option {name} is for TLS alone: begin it with rediss")
        if name not in OPTIONS and name not in _TLS and name not in _SENTINEL:
            known = ", ".join(sorted({*OPTIONS, *_TLS, *_SENTINEL}))
            raise ValueError(f"its option {name} is none of {known}")
    for name in _FILES:
        if name in options and not Path(options[name]).is_file():
            raise ValueError(f"its option {name} names no file: {options[name]}")


def _node(place: str, port: int) -> Node:
    parts = urlsplit(f"//{place}")
    try:
        number = parts.port
    except ValueError:
        raise ValueError("a port of it is no number up to 65535") from None
    if not parts.hostname:
        raise ValueError("one of its addresses is empty: write HOST:PORT, several with commas")
    return parts.hostname, number or port
