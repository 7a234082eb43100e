"""What only a real server shows: forgotten scripts, restarts, sizes, races and its errors."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import redis.exceptions as raised
from redis import Redis

from processor.errors import ConfigError, Forbidden
from processor.local.ports import free_port
from processor.ports.claims import ClaimsNotReady
from processor.ports.sessions import CacheLost, CacheUnavailable, Stamp, Want, Write
from processor.redis import scripts
from processor.redis.connection import Call, Server

if TYPE_CHECKING:
    from fakes.backends import ValkeyBackend

    from processor.ports.sessions import SessionCache

pytest_plugins = ["fakes.backends"]

pytestmark = pytest.mark.servers
LIMIT = 1_000_000_000


def standing(cache: SessionCache, partition: int = 0) -> Stamp:
    stamp = cache.begin(partition, b"restore")
    return cache.flip(partition, stamp, b"restored")


def client(backend: ValkeyBackend) -> Redis:
    return backend.client


def test_scripts_that_the_server_forgot_are_sent_again_within_the_call(
    valkey_backend: ValkeyBackend,
) -> None:
    cache = valkey_backend.sessions()
    stamps = {partition: standing(cache, partition) for partition in range(3)}
    client(valkey_backend).script_flush()
    cache.write({p: Write(stamps[p], b"next", {b"1:a": b"A"}) for p in stamps})
    client(valkey_backend).script_flush()
    after = {p: Stamp(stamps[p].generation, b"next") for p in stamps}
    loaded = cache.load({p: Want(after[p], [b"1:a"]) for p in after}, LIMIT)
    assert loaded == {p: [b"A"] for p in stamps}


def test_a_restart_between_calls_heals_by_itself(valkey_backend: ValkeyBackend) -> None:
    """The data are on disk; the connection and the scripts are gone."""
    cache = valkey_backend.sessions()
    stamp = standing(cache)
    valkey_backend.restart()
    cache.write({0: Write(stamp, b"next", {b"1:a": b"A"})})
    assert cache.check({0: Stamp(stamp.generation, b"next")}) == set()


def test_a_server_that_does_not_answer_is_unavailable_within_the_timeout(
    valkey_backend: ValkeyBackend,
) -> None:
    valkey_backend.timeout = 2
    cache = valkey_backend.sessions()
    stamp = standing(cache)
    valkey_backend.valkey.pause()
    try:
        with pytest.raises(CacheUnavailable, match="Timeout"):
            cache.check({0: stamp})
    finally:
        valkey_backend.valkey.resume()
    assert cache.check({0: stamp}) == set()


def test_a_write_of_10_000_fields_and_one_of_32_mb(valkey_backend: ValkeyBackend) -> None:
    cache = valkey_backend.sessions()
    stamp = standing(cache)
    many = {b"1:%d" % n: b"%d" % n for n in range(10_000)}
    cache.write({0: Write(stamp, b"many", many)})
    stamp = Stamp(stamp.generation, b"many")
    assert cache.load({0: Want(stamp, list(many))}, LIMIT)[0] == list(many.values())
    large: dict[bytes, bytes | None] = {b"2:%d" % n: bytes(800_000) for n in range(40)}
    cache.write({0: Write(stamp, b"large", {**large, **dict.fromkeys(many)})})
    stamp = Stamp(stamp.generation, b"large")
    assert cache.load({0: Want(stamp, list(large))}, LIMIT)[0] == list(large.values())
    assert client(valkey_backend).hlen(valkey_backend.keys.sessions(0, stamp.generation)) == 41


def test_a_load_reads_and_returns_no_more_than_its_limit_asks(
    valkey_backend: ValkeyBackend,
) -> None:
    cache = valkey_backend.sessions()
    stamp = standing(cache)
    values: dict[bytes, bytes | None] = {b"1:%d" % n: bytes(100_000) for n in range(200)}
    cache.write({0: Write(stamp, b"next", values)})
    want = Want(Stamp(stamp.generation, b"next"), list(values))
    assert len(cache.load({0: want}, 1_000_000)[0]) == 11


def test_15_000_claims_in_one_call(valkey_backend: ValkeyBackend) -> None:
    claims = valkey_backend.claims()
    generation = claims.begin("stream")
    assert generation is not None
    many = {f"1:p{n}": f"1:s{n}" for n in range(15_000)}
    claims.fill(generation, {each.encode(): many[each].encode() for each in many})
    claims.finish(generation)
    assert claims.holders(many) == (generation, many)
    more = {f"1:q{n}": f"1:s{n}" for n in range(15_000)}
    assert claims.take(generation, more, {}) == more


def test_two_processes_race_for_the_same_profiles(valkey_backend: ValkeyBackend) -> None:
    """Each profile has one holder, and both were told the same."""
    claims = valkey_backend.claims()
    generation = claims.begin("stream")
    assert generation is not None
    claims.finish(generation)
    profiles = [f"1:p{n}" for n in range(300)]
    told: dict[str, dict[str, str]] = {}

    def race(session: str) -> None:
        process, held = valkey_backend.claims(), dict[str, str]()
        for profile in profiles if session == "1:a" else reversed(profiles):
            held |= process.take(generation, {profile: session}, {})
        told[session] = held

    threads = [threading.Thread(target=race, args=(session,)) for session in ("1:a", "1:b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told["1:a"] == told["1:b"] == claims.holders(profiles)[1]


def test_a_lease_that_was_not_renewed_ends(valkey_backend: ValkeyBackend) -> None:
    gone, other = valkey_backend.claims(), valkey_backend.claims()
    abandoned = gone.begin("stream")
    assert abandoned is not None
    assert other.begin("stream") is None
    # The lease would end by itself; the test does not wait for it.
    assert 0 < client(valkey_backend).pttl(valkey_backend.keys.building()) <= 10_000
    valkey_backend.delete(valkey_backend.keys.building())
    assert other.begin("stream") is not None
    with pytest.raises(ClaimsNotReady):
        gone.fill(abandoned, {b"1:p": b"1:a"})


def test_a_key_of_another_type_under_our_names_is_a_loss(valkey_backend: ValkeyBackend) -> None:
    cache, claims, keys = valkey_backend.sessions(), valkey_backend.claims(), valkey_backend.keys
    stamp = standing(cache)
    for name in (keys.current(0), keys.latest(0), keys.claims(), keys.building()):
        valkey_backend.delete(name)
        client(valkey_backend).rpush(name, "ours?")
    assert cache.read(0) is None
    assert cache.check({0: stamp}) == {0}
    with pytest.raises(CacheLost):
        cache.write({0: Write(stamp, b"next", {})})
    with pytest.raises(ClaimsNotReady):
        claims.holders(["1:p"])
    assert claims.stream() is None
    assert cache.read(0) != standing(cache)
    assert claims.begin("stream") is not None


def test_a_server_that_is_full_is_unavailable_and_nothing_is_written_by_halves(
    valkey_backend: ValkeyBackend,
) -> None:
    cache = valkey_backend.sessions()
    stamp = standing(cache)
    client(valkey_backend).config_set("maxmemory", "1")
    try:
        with pytest.raises(CacheUnavailable, match="OOM"):
            cache.write({0: Write(stamp, b"next", {b"1:a": b"A"})})
        assert cache.check({0: stamp}) == set()
    finally:
        client(valkey_backend).config_set("maxmemory", "0")
    cache.write({0: Write(stamp, b"next", {b"1:a": b"A"})})


def test_a_primary_that_is_none_any_more_is_looked_for_anew(valkey_backend: ValkeyBackend) -> None:
    """Behind the same name, or Sentinel, may be another server: the connection is not kept."""
    server = valkey_backend.connect()
    (before,) = server.ask(("CLIENT", "ID"))
    client(valkey_backend).replicaof("127.0.0.1", free_port())
    try:
        with pytest.raises(CacheUnavailable, match="READONLY"):
            server.run(scripts.Script("return redis.call('SET', KEYS[1], '1')"), [Call(["a"], [])])
    finally:
        client(valkey_backend).replicaof("NO", "ONE")
    assert server.ask(("CLIENT", "ID")) > [before]
    server.close()


def test_a_user_without_the_right_is_forbidden(valkey_backend: ValkeyBackend) -> None:
    client(valkey_backend).execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", "weak", "on", ">secret", "~*", "+get", "+hget"
    )
    address = f"127.0.0.1:{valkey_backend.valkey.port}"
    for user in ("weak:secret", "weak:wrong"):
        server = Server.from_url(f"redis://{user}@{address}/0", timeout=2)
        with pytest.raises(Forbidden):
            server.run(scripts.CHECK, [Call(["a", "b"], ["c", "d"])])
        server.close()


@pytest.mark.parametrize(
    ("right", "source"),
    [
        ("-hget", "return redis.call('HGET', KEYS[1], '')"),
        ("resetkeys ~{a}1", "return redis.call('GET', '{a}2')"),
        ("+@all", "return redis.call('NO-SUCH-COMMAND')"),
        ("+@all", "return redis.call('SUBSCRIBE', 'channel')"),
    ],
)
def test_what_a_script_may_not_use_is_forbidden(
    valkey_backend: ValkeyBackend, right: str, source: str
) -> None:
    """The server finds it out within the script, and says it in other words than outside."""
    client(valkey_backend).execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", "half", "reset", "on", ">secret", "~*", "+@all", *right.split()
    )
    address = f"127.0.0.1:{valkey_backend.valkey.port}"
    server = Server.from_url(f"redis://half:secret@{address}/0", timeout=2)
    with pytest.raises(Forbidden, match="script") as caught:
        server.run(scripts.Script(source), [Call(["{a}1"], [])])
    server.close()
    assert "permissions" in caught.value.hint


@pytest.mark.parametrize("rest", ["/99", "?db=16"])
def test_a_database_that_does_not_exist_is_a_wrong_setting(
    valkey_backend: ValkeyBackend, rest: str
) -> None:
    server = Server.from_url(f"redis://127.0.0.1:{valkey_backend.valkey.port}{rest}", timeout=2)
    with pytest.raises(ConfigError, match="names a database"):
        server.ask(("GET", "a"))
    server.close()


def test_a_server_named_as_a_sentinel_is_a_wrong_setting(valkey_backend: ValkeyBackend) -> None:
    address = f"127.0.0.1:{valkey_backend.valkey.port}"
    server = Server.from_url(f"redis+sentinel://{address}/mymaster", timeout=2)
    with pytest.raises(ConfigError, match="as a Sentinel"):
        server.ask(("GET", "a"))
    server.close()


def test_the_scripts_need_no_right_to_what_managed_servers_forbid(
    valkey_backend: ValkeyBackend,
) -> None:
    """Neither CONFIG nor KEYS, nor anything else that is for administrators, INFO aside."""
    client(valkey_backend).execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-@admin", "-@dangerous", "+info"
    )
    url = f"redis://app:secret@127.0.0.1:{valkey_backend.valkey.port}/0"
    valkey_backend.connect = lambda: Server.from_url(url, timeout=2)  # type: ignore[method-assign]
    cache, claims = valkey_backend.sessions(), valkey_backend.claims()
    stamp = standing(cache)
    cache.write({0: Write(stamp, b"next", {b"1:a": b"A"})})
    generation = claims.begin("stream")
    assert generation is not None
    claims.fill(generation, {b"1:p": b"1:a"})
    claims.finish(generation)
    assert claims.take(generation, {"1:p": "1:b"}, {}) == {"1:p": "1:a"}
    valkey_backend.directory().describe(4, {})
    assert valkey_backend.directory().eviction_policy() == "noeviction"


def test_a_defect_in_a_script_is_not_taken_for_a_server_that_is_away(
    valkey_backend: ValkeyBackend,
) -> None:
    for source in ("return nil + 1", "return undefined", "return (", "return unpack({}, 1, 9999)"):
        with pytest.raises(raised.ResponseError):
            valkey_backend.server.run(scripts.Script(source), [Call([], [])])
