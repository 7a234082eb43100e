"""The documented users of Redis: all that is needed, and nothing that is not."""

from __future__ import annotations

from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest
import redis
from documented import Rule, besides, rule
from valkeys import command

from processor.errors import Forbidden
from processor.ports.members import Member
from processor.ports.sessions import Stamp, Want, Write
from processor.reader import SessionReader
from processor.redis.claims import RedisClaims
from processor.redis.connection import Server
from processor.redis.copies import RedisCopies
from processor.redis.directory import RedisDirectory
from processor.redis.keys import Keys
from processor.redis.members import RedisMembers
from processor.redis.removal import remove
from processor.redis.sessions import RedisSessionCache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.backends import ClusterBackend, ValkeyBackend

    from processor.local.valkey import LocalValkey

pytest_plugins = ["fakes.backends"]
pytestmark = pytest.mark.servers

SERVICE, READER = rule("processor"), rule("session-reader")
CLUSTER = besides("a Redis Cluster")
CONSOLE = besides("[the console]")
SEARCH = besides("the search of `sessions erase`")
READER_OF_CLUSTER = besides("a reader with `redis.RedisCluster`")
PASSWORD = "planted"  # noqa: S105
LIMIT = 1_000_000


@contextmanager
def user(allowed: Rule, *valkeys: LocalValkey) -> Iterator[str]:
    """Make a user with these rights on each server; yield what stands before the @ of a URL."""
    name = f"user-{token_hex(4)}"
    for valkey in valkeys:
        command(valkey, *allowed.arguments(name, PASSWORD))
    yield f"{name}:{PASSWORD}"
    for valkey in valkeys:
        command(valkey, "ACL", "DELUSER", name)


def use_all(server: Server, keys: Keys) -> None:
    """Do all that the service does in Redis, with scripts that the server does not know yet."""
    directory = RedisDirectory(server, keys)
    assert directory.eviction_policy() == "noeviction"
    directory.describe(2, {"aa": "{}"})
    cache = RedisSessionCache(server, keys)
    for _ in range(2):  # the second replaces the first
        for partition in range(2):
            cache.read(partition)
            stamp = cache.begin(partition, b"0")
            cache.fill(partition, Write(stamp, b"1", {b"1:a": b"A", b"1:b": None}))
            stamp = cache.flip(partition, Stamp(stamp.generation, b"1"), b"2")
            cache.write({partition: Write(stamp, b"3", {b"1:a": b"B"})})
            stamp = Stamp(stamp.generation, b"3")
            assert cache.load({partition: Want(stamp, [b"1:a"])}, LIMIT) == {partition: [b"B"]}
            assert cache.check({partition: stamp}) == set()
    claims = RedisClaims(server, keys)
    for stream in ("stream 1", "stream 2"):
        generation = claims.begin(stream)
        assert generation is not None
        claims.fill(generation, {b"1:p": b"1:a"})
        claims.finish(generation)
        took = claims.take(generation, {"1:p": "1:b", "1:q": "1:b"}, {0: claims.own(0, 0)})
        assert took == {"1:p": "1:a", "1:q": "1:b"}
        assert claims.holders(["1:p"]) == (generation, {"1:p": "1:a"})
        assert claims.is_current(generation)
        assert claims.stream() == stream
    members = RedisMembers(server, keys)
    members.announce(Member("aa", "http://127.0.0.1:1", "here"), 60_000)
    assert [each.process for each in members.announced()] == ["aa"]
    members.withdraw("aa")
    assert SessionReader(server, keys.meta().removesuffix(":meta")).get("1:a").found


def use_all_as(allowed: Rule, valkey: LocalValkey) -> None:
    command(valkey, "SCRIPT", "FLUSH")
    prefix = f"test-{token_hex(4)}"
    with user(allowed.under(prefix), valkey) as who:
        server = Server.from_url(valkey.url.replace("redis://", f"redis://{who}@"), timeout=2)
        try:
            use_all(server, Keys(prefix))
            remove(server, Keys(prefix), 2)
        finally:
            server.close()


def test_the_service_does_all_with_the_documented_rights(valkey_backend: ValkeyBackend) -> None:
    command(valkey_backend.valkey, "ACL", "LOG", "RESET")
    use_all_as(SERVICE, valkey_backend.valkey)
    # Not even refused in passing: a client's greetings would be.
    assert command(valkey_backend.valkey, "ACL", "LOG") == []


@pytest.mark.parametrize("right", SERVICE.commands)
def test_the_service_names_the_command_that_it_may_not_use(
    valkey_backend: ValkeyBackend, right: str
) -> None:
    with pytest.raises(Forbidden, match=f"'{right[1:]}'") as caught:
        use_all_as(SERVICE.without(right), valkey_backend.valkey)
    assert caught.value.exit_code == 7
    assert PASSWORD not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("pattern", SERVICE.keys)
def test_the_service_needs_each_pattern_of_keys(
    valkey_backend: ValkeyBackend, pattern: str
) -> None:
    with pytest.raises(Forbidden, match="key"):
        use_all_as(SERVICE.without(pattern), valkey_backend.valkey)


@pytest.fixture
def prefix(valkey_backend: ValkeyBackend) -> str:
    """A prefix with a session in it, and a schema."""
    use_all(valkey_backend.connect(), valkey_backend.keys)
    return valkey_backend.keys.meta().removesuffix(":meta")


def search_as(allowed: Rule, valkey: LocalValkey, prefix: str) -> None:
    with user(allowed.under(prefix), valkey) as who:
        server = Server.from_url(valkey.url.replace("redis://", f"redis://{who}@"), timeout=2)
        try:
            copies = RedisCopies(server, Keys(prefix))
            assert [*copies.sessions(1)] == [(b"1:a", b"B")]
            assert dict(copies.claims()) == {"1:p": "1:a", "1:q": "1:b"}
        finally:
            server.close()


def test_a_search_needs_what_is_documented_besides(
    valkey_backend: ValkeyBackend, prefix: str
) -> None:
    search_as(SERVICE.plus(*SEARCH), valkey_backend.valkey, prefix)
    with pytest.raises(Forbidden, match="'hscan'"):
        search_as(SERVICE, valkey_backend.valkey, prefix)


def test_a_console_needs_what_is_documented_besides_what_a_reader_needs(
    valkey_backend: ValkeyBackend, prefix: str
) -> None:
    valkey, url = valkey_backend.valkey, valkey_backend.valkey.url
    for allowed in (READER.plus(*CONSOLE), READER):
        with user(allowed.under(prefix), valkey) as who:
            server = Server.from_url(url.replace("redis://", f"redis://{who}@"), timeout=2)
            assert RedisDirectory(server, Keys(prefix)).partitions() == 2
            if allowed is READER:
                with pytest.raises(Forbidden, match="key"):
                    RedisMembers(server, Keys(prefix)).announced()
            else:
                assert RedisMembers(server, Keys(prefix)).announced() == []
            server.close()


def read_as(allowed: Rule, valkey: LocalValkey, prefix: str) -> str | None:
    with (
        user(allowed.under(prefix), valkey) as who,
        redis.Redis.from_url(valkey.url.replace("redis://", f"redis://{who}@")) as client,
    ):
        reader = SessionReader(client, prefix)
        assert len(reader.get("1:a").found) == 2
        return reader.schema("aa")


def test_a_reader_reads_with_the_documented_rights(
    valkey_backend: ValkeyBackend, prefix: str
) -> None:
    assert read_as(READER, valkey_backend.valkey, prefix) == "{}"


@pytest.mark.parametrize("right", [*READER.commands, *READER.keys])
def test_a_reader_needs_each_of_them(
    valkey_backend: ValkeyBackend, prefix: str, right: str
) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        read_as(READER.without(right), valkey_backend.valkey, prefix)


@contextmanager
def of_cluster(backend: ClusterBackend, allowed: Rule, prefix: str) -> Iterator[Server]:
    for valkey in backend.cluster.primaries:
        command(valkey, "SCRIPT", "FLUSH")
    everyone = (*backend.cluster.primaries, backend.cluster.replica)
    with user(allowed.under(prefix), *everyone) as who:
        server = Server.from_url(backend.cluster.url.replace("://", f"://{who}@"), timeout=2)
        yield server
        server.close()


def test_the_service_does_all_on_a_cluster_with_what_is_documented_besides(
    cluster_backend: ClusterBackend,
) -> None:
    prefix = f"test-{token_hex(4)}"
    with of_cluster(cluster_backend, SERVICE.plus(*CLUSTER), prefix) as server:
        use_all(server, Keys(prefix))
    with (
        of_cluster(cluster_backend, SERVICE.plus("+asking"), prefix) as server,
        pytest.raises(Forbidden, match=r"'cluster\|slots'"),
    ):
        use_all(server, Keys(prefix))


def test_asking_is_needed_while_a_slot_moves(cluster_backend: ClusterBackend) -> None:
    prefix, allowed = f"test-{token_hex(4)}", SERVICE.plus(*CLUSTER)
    keys = Keys(prefix)
    with cluster_backend.cluster.moving(keys.current(0)):
        with of_cluster(cluster_backend, allowed, prefix) as server:
            assert RedisSessionCache(server, keys).read(0) is None
        with (
            of_cluster(cluster_backend, allowed.without("+asking"), prefix) as server,
            pytest.raises(Forbidden, match="'asking'"),
        ):
            RedisSessionCache(server, keys).read(0)


def test_a_reader_of_a_cluster_needs_what_is_documented_besides(
    cluster_backend: ClusterBackend,
) -> None:
    keys, cluster = cluster_backend.keys, cluster_backend.cluster
    use_all(cluster_backend.connect(), keys)
    prefix = keys.meta().removesuffix(":meta")

    def read(allowed: Rule) -> int:
        with user(allowed.under(prefix), *cluster.primaries, cluster.replica) as who:
            name, _, password = who.partition(":")
            client = redis.RedisCluster(
                host="127.0.0.1",
                port=cluster.primaries[0].port,
                username=name,
                password=password,
            )
            try:
                return len(SessionReader(client, prefix).get("1:a").found)
            finally:
                client.close()

    assert read(READER.plus(*READER_OF_CLUSTER)) == 2
    for right in READER_OF_CLUSTER:
        with pytest.raises((redis.RedisError, redis.exceptions.RedisClusterException)):
            read(READER.plus(*READER_OF_CLUSTER).without(right))
