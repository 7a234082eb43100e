"""What only a Redis Cluster shows: slots that move, nodes that hang, servers of another kind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from valkeys import command

from processor.errors import ConfigError
from processor.ports.sessions import CacheUnavailable, Stamp, Want, Write
from processor.reader import Answer, Found, SessionReader
from processor.redis.cluster import ClusterLink
from processor.redis.connection import Server

if TYPE_CHECKING:
    from fakes.backends import ClusterBackend, ValkeyBackend

    from processor.ports.sessions import SessionCache
    from processor.redis.address import Node

pytest_plugins = ["fakes.backends"]
pytestmark = pytest.mark.servers
PARTITIONS = range(12)
LIMIT = 1_000_000
TIMEOUT_S = 2.0
"""That of the backend's connections."""


def standing(cache: SessionCache, partition: int) -> Stamp:
    stamp = cache.begin(partition, b"restore")
    return cache.flip(partition, stamp, b"restored")


def test_partitions_of_several_nodes_are_written_and_loaded_in_one_call(
    cluster_backend: ClusterBackend,
) -> None:
    cache = cluster_backend.sessions()
    stamps = {partition: standing(cache, partition) for partition in PARTITIONS}
    cache.write({p: Write(stamps[p], b"next", {b"1:a": b"%d" % p}) for p in stamps})
    after = {p: Stamp(stamps[p].generation, b"next") for p in stamps}
    cluster_backend.client.script_flush()
    loaded = cache.load({p: Want(after[p], [b"1:a"]) for p in after}, LIMIT)
    assert loaded == {p: [b"%d" % p] for p in stamps}
    assert cache.check(after) == set()


def test_a_slot_that_moves_is_followed(cluster_backend: ClusterBackend) -> None:
    """While one of its keys has moved the script has to wait; then ASK, and then MOVED."""
    cache, keys = cluster_backend.sessions(), cluster_backend.keys
    stamp, other = standing(cache, 0), standing(cache, 1)
    pointer, sessions = keys.current(0), keys.sessions(0, stamp.generation)
    with cluster_backend.cluster.moving(keys.current(0)) as move:
        move(pointer)
        with pytest.raises(CacheUnavailable, match="TRYAGAIN"):
            cache.check({0: stamp, 1: other})
        move(sessions, keys.latest(0))
        cache.write({0: Write(stamp, b"asked", {b"1:a": b"A"}), 1: Write(other, b"asked", {})})
        assert cache.check({0: Stamp(stamp.generation, b"asked")}) == set()
    assert cache.check({0: Stamp(stamp.generation, b"asked")}) == set()
    cache.write({0: Write(Stamp(stamp.generation, b"asked"), b"moved", {b"1:b": b"B"})})
    loaded = cache.load({0: Want(Stamp(stamp.generation, b"moved"), [b"1:a", b"1:b"])}, LIMIT)
    assert loaded == {0: [b"A", b"B"]}


def test_a_node_that_handed_over_and_went_is_not_missed(cluster_backend: ClusterBackend) -> None:
    """As when nodes are replaced one by one: the call that finds it gone goes to its heir."""
    cluster, cache, keys = cluster_backend.cluster, cluster_backend.sessions(), cluster_backend.keys
    partition = next(p for p in range(100) if cluster.on_first(keys.current(p)[1:].split("}")[0]))
    stamp = standing(cache, partition)
    cluster.fail_over()
    cluster.replica.kill()
    try:
        assert cache.check({partition: stamp}) == set()
    finally:
        cluster.replica.launch()
        cluster.await_following()


def test_a_node_that_hangs_is_not_asked_for_the_map_again(cluster_backend: ClusterBackend) -> None:
    """After the timeout, the next call finds the replica that took over."""
    cluster_backend.timeout = TIMEOUT_S
    cluster, claims = cluster_backend.cluster, cluster_backend.claims()
    generation = claims.begin("stream")
    assert generation is not None
    claims.finish(generation)
    cluster.await_replicated()
    hung = cluster.primaries[0]
    hung.pause()
    try:
        with pytest.raises(CacheUnavailable, match="Timeout"):
            claims.is_current(generation)
        cluster.take_over()
        cluster.await_ok(cluster.primaries[0])
        begin = time.monotonic()
        assert not claims.is_current(generation)  # another server is not the one they were made on
        assert time.monotonic() - begin < TIMEOUT_S
        assert claims.begin("stream") is not None
    finally:
        hung.resume()
        cluster.await_following()


def test_nodes_that_hang_are_waited_for_no_longer_than_one(
    cluster_backend: ClusterBackend,
) -> None:
    """By a call that knows who has what, and by one that has to find out."""
    cluster_backend.timeout = TIMEOUT_S
    cluster, cache = cluster_backend.cluster, cluster_backend.sessions()
    stamps = {partition: standing(cache, partition) for partition in PARTITIONS}
    directory = cluster_backend.directory()

    def known() -> object:
        return cache.check(stamps)

    nodes = [*cluster.primaries, cluster.replica]
    for node in nodes:
        node.pause()
    try:
        for call in (known, known, lambda: directory.describe(2, {})):
            begin = time.monotonic()
            with pytest.raises(CacheUnavailable, match="Timeout"):
                call()
            assert time.monotonic() - begin < 1.5 * TIMEOUT_S
    finally:
        for node in nodes:
            node.resume()
        cluster.await_following()


def test_where_nodes_hang_the_first_call_finds_one_that_knows_the_others(
    cluster_backend: ClusterBackend,
) -> None:
    """A short command makes no second call."""
    cluster = cluster_backend.cluster
    prefix = next(f"{{{n}}}" for n in range(100) if not cluster.on_first(str(n)))
    hung = cluster.primaries[0]
    server = cluster_backend.connect()
    for each in cluster.primaries[1:]:
        command(each, "CONFIG", "SET", "cluster-require-full-coverage", "no")
    hung.pause()
    try:
        assert server.ask(("GET", prefix)) == [None]
    finally:
        hung.resume()
        server.close()
        for each in cluster.primaries[1:]:
            command(each, "CONFIG", "SET", "cluster-require-full-coverage", "yes")
        cluster.await_following()


def test_nodes_that_answer_are_asked_before_one_that_did_not(
    cluster_backend: ClusterBackend,
) -> None:
    """So that less is to be restored, where the others go on without it."""
    cluster, cache, keys = cluster_backend.cluster, cluster_backend.sessions(), cluster_backend.keys
    stamps = {partition: standing(cache, partition) for partition in PARTITIONS}
    here = [p for p in stamps if cluster.on_first(keys.current(p)[1:].split("}")[0])]
    hung, *others = cluster.primaries
    for each in others:
        command(each, "CONFIG", "SET", "cluster-require-full-coverage", "no")
    hung.pause()
    try:
        with pytest.raises(CacheUnavailable, match="Timeout"):
            cache.check(stamps)
        with pytest.raises(CacheUnavailable, match="Timeout"):
            cache.write({p: Write(stamps[p], b"next", {}) for p in stamps})
    finally:
        hung.resume()
        for each in others:
            command(each, "CONFIG", "SET", "cluster-require-full-coverage", "yes")
        cluster.await_following()
    after = {p: Stamp(stamps[p].generation, b"next") for p in stamps if p not in here}
    assert cache.check(after) == set()


def test_one_server_of_a_cluster_that_evicts_is_seen(cluster_backend: ClusterBackend) -> None:
    """And which of them it is does not matter."""
    directory = cluster_backend.directory()
    for primary in cluster_backend.cluster.primaries:
        command(primary, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        assert directory.eviction_policy() == "allkeys-lru"
        command(primary, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert directory.eviction_policy() == "noeviction"


def test_sessions_are_read_with_redis_pys_own_client_and_with_the_processors(
    cluster_backend: ClusterBackend,
) -> None:
    cache = cluster_backend.sessions()
    cluster_backend.directory().describe(len(PARTITIONS), {})
    for partition in PARTITIONS:
        stamp = cache.begin(partition, b"0")
        cache.fill(partition, Write(stamp, b"1", {b"1:p%d" % partition: b"P"}))
        cache.flip(partition, Stamp(stamp.generation, b"1"), b"2")
    prefix = cluster_backend.keys.meta().removesuffix(":meta")
    server = cluster_backend.connect()
    for client in (cluster_backend.client, server):
        reader = SessionReader(client, prefix)
        for partition in PARTITIONS:
            answer = Answer([Found(partition, b"P")], frozenset())
            assert reader.get(f"1:p{partition}") == answer
    server.close()


def test_a_server_of_another_kind_than_the_url_says_is_a_wrong_setting(
    cluster_backend: ClusterBackend, valkey_backend: ValkeyBackend
) -> None:
    node = Server.from_url(cluster_backend.cluster.primaries[0].url)
    with pytest.raises(ConfigError, match="as if it were one server"):
        node.ask(*(("GET", f"{number}") for number in range(20)))
    alone = Server.from_url(valkey_backend.valkey.url.replace("redis://", "redis+cluster://")[:-2])
    with pytest.raises(ConfigError, match="names a Redis Cluster"):
        alone.ask(("GET", "a"))
    node.close()
    alone.close()


def test_after_a_failure_another_node_is_asked_for_the_map() -> None:
    """One that is cut off from the others, and still reached, answers by its old map for ever."""
    asked: list[Node] = []

    class Half(ClusterLink):
        def _map_of(self, node: Node) -> dict[int, Node]:
            asked.append(node)
            return {0: node}

    link = Half([("a", 1), ("b", 2)], {})
    for _ in range(3):
        link._learn()
        link.renew()
    assert asked == [("a", 1), ("b", 2), ("a", 1)]
