"""Where Redis is, read from its URL: one server, a primary that Sentinel names, or a cluster.

redis://[user:password@]host:port[/db]                           one server
redis+sentinel://[user:password@]host:port,…/service[/db]        the Sentinels, and what they watch
redis+cluster://[user:password@]host:port,…                      any nodes of a Redis Cluster

`rediss` instead of `redis` is TLS, `unix:///path` a socket of this machine. Options follow a `?`.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from processor.redis.options import ANY, SENTINEL, TLS, check_values, is_database

DeploymentKind = Literal["server", "sentinel", "cluster"]
Node = tuple[str, int]

_SCHEMES: Final[Mapping[str, DeploymentKind]] = {
    "redis": "server",
    "rediss": "server",
    "unix": "server",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}

_PORTS: Final[Mapping[DeploymentKind, int]] = {"server": 6379, "sentinel": 26379, "cluster": 6379}


class Address(NamedTuple):
    """Where Redis is. `url` is one that redis-py reads: of a server, or of the first node."""

    kind: DeploymentKind
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
    if parts.scheme not in _SCHEMES:
        *most, last = (f"{each}://" for each in _SCHEMES)
        raise ValueError(f"it does not begin with {', '.join(most)} or {last}")
    kind = _SCHEMES[parts.scheme]
    scheme = parts.scheme.partition("+")[0]
    if "@" in parts.query + parts.fragment + (parts.path if scheme != "unix" else ""):
        # Without this a part of a password would pass for a path or an option, and be told.
        raise ValueError(
            "it has an @ behind its host; write @ / ? # of a password as %40 %2F %3F %23"
        )
    options = _options(parts.query, kind, tls=scheme == "rediss")
    user, at, places = parts.netloc.rpartition("@")
    if kind == "server" and "," in places:
        raise ValueError(
            "it names several servers as one: begin it with redis+sentinel:// or "
            "redis+cluster://, or rediss with either"
        )
    if scheme == "unix":
        return Address("server", url)
    # One server may be left out: it is this machine then.
    nodes = tuple(
        _node(place, _PORTS[kind]) for place in places.split(",") if place or kind != "server"
    )
    service, database = _place(parts.path, options, kind)
    if kind == "server":
        return Address("server", url)
    query = urlencode({name: value for name, value in options.items() if name not in SENTINEL})
    host, port = nodes[0]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Address(
        kind,
        f"{scheme}://{user}{at}{place}/{database}" + (f"?{query}" if query else ""),
        nodes,
        service,
        {SENTINEL[name]: value for name, value in options.items() if name in SENTINEL},
    )


def _options(query: str, kind: DeploymentKind, *, tls: bool) -> dict[str, str]:
    given = parse_qsl(query, keep_blank_values=True)
    options = dict(given)
    if options.get("decode_responses"):
        raise ValueError("it asks for decode_responses; snapshots are bytes")
    for name in options:
        if name in SENTINEL and kind != "sentinel":
            raise ValueError(f"its option {name} is for redis+sentinel:// alone")
        if name in TLS and not tls:
            raise ValueError(f"its option {name} is for TLS alone: begin it with rediss")
        if name not in ANY and name not in TLS and name not in SENTINEL:
            known = ", ".join(sorted({*ANY, *TLS, *SENTINEL}))
            raise ValueError(f"its option {name} is none of {known}")
        if [each for each, _ in given].count(name) > 1:
            raise ValueError(f"its option {name} is given twice")
    check_values(options)
    return options


def _place(path: str, options: Mapping[str, str], kind: DeploymentKind) -> tuple[str, str]:
    """Return the service that Sentinels watch, and the database, from a path; empty if absent."""
    service, database = "", path.strip("/")
    if kind == "sentinel":
        service, _, database = database.partition("/")
        if not service:
            raise ValueError("it names no service after the Sentinels: redis+sentinel://…/mymaster")
    if database and not is_database(database):
        raise ValueError("its path does not end in the number of a database")
    if database and options.get("db", database) != database:
        raise ValueError("its path names one database and its option db another")
    if kind == "cluster" and int(options.get("db") or database or 0):
        raise ValueError("it names a database, and a Redis Cluster has none but 0")
    return service, database


def _node(place: str, port: int) -> Node:
    parts = urlsplit(f"//{place}")
    try:
        number = parts.port
    except ValueError:
        raise ValueError("a port of it is no number up to 65535") from None
    if not parts.hostname:
        raise ValueError("one of its addresses is empty: write HOST:PORT, several with commas")
    return parts.hostname, number or port
