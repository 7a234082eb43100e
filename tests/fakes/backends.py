"""The Redis ports on either server, with what a test may do to the server behind their backs."""

from collections.abc import Iterator
from secrets import token_hex
from typing import Protocol

import pytest
import redis
from servers import Places
from valkeys import ValkeyCluster

from fakes.redis import (
    FakeClaims,
    FakeCopies,
    FakeDirectory,
    FakeMembers,
    FakeSessionCache,
)
from fakes.redis_server import FakeServer
from processor.local.valkey import LocalValkey
from processor.ports.claims import Claims
from processor.ports.copies import CachedCopies
from processor.ports.members import Members
from processor.ports.sessions import Directory, SessionCache
from processor.redis.claims import RedisClaims
from processor.redis.connection import Server
from processor.redis.copies import RedisCopies
from processor.redis.directory import RedisDirectory
from processor.redis.keys import Keys
from processor.redis.members import RedisMembers
from processor.redis.sessions import RedisSessionCache


class Backend(Protocol):
    """One server; each port that it makes stands for another process."""

    keys: Keys

    def sessions(self) -> SessionCache: ...

    def claims(self) -> Claims: ...

    def directory(self) -> Directory: ...

    def copies(self) -> CachedCopies: ...

    def members(self) -> Members: ...

    def delete(self, name: str, field: bytes | None = None) -> None: ...

    def exists(self, name: str) -> bool: ...

    def flush(self) -> None: ...

    def restart(self) -> None: ...

    def go_away(self) -> None: ...

    def come_back(self) -> None: ...


class FakeBackend:
    def __init__(self) -> None:
        self.keys = Keys("fake")
        self.server = FakeServer()

    def sessions(self) -> SessionCache:
        return FakeSessionCache(self.server, self.keys)

    def claims(self) -> Claims:
        return FakeClaims(self.server, self.keys)

    def directory(self) -> Directory:
        return FakeDirectory(self.server, self.keys)

    def copies(self) -> CachedCopies:
        return FakeCopies(self.server, self.keys)

    def members(self) -> Members:
        return FakeMembers(self.server, self.keys)

    def delete(self, name: str, field: bytes | None = None) -> None:
        if field is None:
            self.server.delete(name)
        else:
            self.server.put(name, {field: None})

    def exists(self, name: str) -> bool:
        return name in self.server.hashes

    def flush(self) -> None:
        self.server.flush()

    def restart(self) -> None:
        self.server.restart()

    def go_away(self) -> None:
        self.server.available = False

    def come_back(self) -> None:
        self.server.restart()
        self.server.available = True


class ValkeyBackend:
    """A server of our own: these tests restart it and flush it."""

    timeout = 6.0
    """Seconds of a call; a test that waits for its end sets less."""

    def __init__(self, valkey: LocalValkey) -> None:
        self.keys = Keys(f"test-{token_hex(4)}")
        self.valkey = valkey
        self.server = self.connect()
        self.client = redis.Redis.from_url(valkey.url)

    def connect(self) -> Server:
        return Server.from_url(self.valkey.url, timeout=self.timeout)

    def sessions(self) -> SessionCache:
        return RedisSessionCache(self.connect(), self.keys)

    def claims(self) -> Claims:
        return RedisClaims(self.connect(), self.keys)

    def directory(self) -> Directory:
        return RedisDirectory(self.connect(), self.keys)

    def copies(self) -> CachedCopies:
        return RedisCopies(self.connect(), self.keys)

    def members(self) -> Members:
        return RedisMembers(self.connect(), self.keys)

    def delete(self, name: str, field: bytes | None = None) -> None:
        self.server.ask(("DEL", name) if field is None else ("HDEL", name, field))

    def exists(self, name: str) -> bool:
        return self.server.ask(("EXISTS", name)) == [1]

    def flush(self) -> None:
        self.client.flushall()

    def restart(self) -> None:
        self.valkey.restart()

    def go_away(self) -> None:
        self.valkey.stop()

    def come_back(self) -> None:
        self.valkey.launch()


class ClusterBackend:
    """A Redis Cluster of our own; the node with the claims has a replica."""

    timeout = 6.0
    """As of `ValkeyBackend`."""

    def __init__(self, cluster: ValkeyCluster) -> None:
        self.cluster = cluster
        self.keys = next(
            Keys(prefix)
            for prefix in iter(lambda: f"test-{token_hex(4)}", "")
            if cluster.on_first(f"{prefix}:claims")
        )
        self.client = cluster.client()

    def connect(self) -> Server:
        return Server.from_url(self.cluster.url, timeout=self.timeout)

    def sessions(self) -> SessionCache:
        return RedisSessionCache(self.connect(), self.keys)

    def claims(self) -> Claims:
        return RedisClaims(self.connect(), self.keys)

    def directory(self) -> Directory:
        return RedisDirectory(self.connect(), self.keys)

    def copies(self) -> CachedCopies:
        return RedisCopies(self.connect(), self.keys)

    def members(self) -> Members:
        return RedisMembers(self.connect(), self.keys)

    def delete(self, name: str, field: bytes | None = None) -> None:
        if field is None:
            self.client.delete(name)
        else:
            self.client.hdel(name, field)

    def exists(self, name: str) -> bool:
        return self.client.exists(name) == 1

    def flush(self) -> None:
        self.client.flushall(target_nodes=redis.RedisCluster.PRIMARIES)

    def restart(self) -> None:
        """Have another server go on with the same data, in an orderly way."""
        self.cluster.fail_over()

    def go_away(self) -> None:
        for primary in self.cluster.primaries:
            primary.kill()

    def come_back(self) -> None:
        for primary in self.cluster.primaries:
            primary.launch()
        self.cluster.await_ok()


@pytest.fixture(scope="session")
def own_cluster(places: Places) -> Iterator[ValkeyCluster]:
    cluster = ValkeyCluster(places)
    yield cluster
    cluster.kill()


@pytest.fixture
def cluster_backend(own_cluster: ValkeyCluster) -> Iterator[ClusterBackend]:
    """The cluster, running and empty."""
    backend = ClusterBackend(own_cluster)
    backend.flush()
    yield backend
    backend.client.close()


@pytest.fixture(scope="session")
def own_valkey(places: Places) -> Iterator[LocalValkey]:
    valkey = LocalValkey.start(places.guarded("redis-contracts"))
    yield valkey
    valkey.kill()


@pytest.fixture
def valkey_backend(own_valkey: LocalValkey) -> Iterator[ValkeyBackend]:
    """The real server, running and empty."""
    own_valkey.launch()
    backend = ValkeyBackend(own_valkey)
    backend.flush()
    yield backend
    backend.server.close()
    backend.client.close()


@pytest.fixture(
    params=[
        "fake",
        pytest.param("valkey", marks=pytest.mark.servers),
        pytest.param("cluster", marks=pytest.mark.servers),
    ]
)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each of the servers that the contract is held against."""
    if request.param == "fake":
        return FakeBackend()
    real: ValkeyBackend | ClusterBackend = request.getfixturevalue(f"{request.param}_backend")
    return real
