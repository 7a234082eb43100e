"""How Redis' errors are sorted, and what is refused before a server is asked."""

import pytest
import redis.exceptions as raised

from processor.errors import ConfigError, Forbidden
from processor.ports.sessions import CacheUnavailable
from processor.redis.address import parsed
from processor.redis.connection import Server
from processor.redis.faults import sorting_errors
from processor.redis.keys import Keys


@pytest.mark.parametrize(
    "error",
    [
        raised.ConnectionError("refused"),
        raised.TimeoutError("Timeout reading from socket"),
        raised.BusyLoadingError("Redis is loading the dataset in memory", status_code="LOADING"),
        raised.ReadOnlyError("You can't write against a read only replica."),
        raised.ClusterDownError("The cluster is down"),
        raised.TryAgainError("Multiple keys request during rehashing of slot"),
        raised.MasterDownError("Link with MASTER is down", status_code="MASTERDOWN"),
        raised.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        raised.ResponseError("BUSY Redis is busy running a script."),
        raised.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        raised.ResponseError(
            "Error running script (call to f_1): @user_script:1: -OOM command not allowed"
        ),
    ],
    ids=str,
)
def test_what_time_may_heal_is_unavailable(error: Exception) -> None:
    with pytest.raises(CacheUnavailable), sorting_errors():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        raised.AuthenticationError("Authentication required."),
        raised.NoPermissionError("this user has no permissions to run the 'evalsha' command"),
        raised.ResponseError("unknown command 'EVALSHA', with args beginning with: "),
        raised.ResponseError(
            "Error running script: The user executing the script can't run this command"
        ),
    ],
    ids=str,
)
def test_what_an_operator_must_allow_is_forbidden(error: Exception) -> None:
    with pytest.raises(Forbidden), sorting_errors():
        raise error


def test_a_node_of_a_cluster_named_as_a_server_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="Cluster") as caught, sorting_errors():
        raise raised.MovedError("3999 127.0.0.1:6381")
    assert "redis+cluster://" in caught.value.hint


def test_a_server_named_as_a_cluster_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="Cluster") as caught, sorting_errors():
        raise raised.ResponseError("This instance has cluster support disabled")
    assert "redis://" in caught.value.hint


@pytest.mark.parametrize("prefix", ["", "a{b", "a}b", "{a}"])
def test_a_prefix_that_would_move_the_hash_slot_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        Keys(prefix)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://localhost", "does not begin with redis://"),
        ("localhost:6379", "does not begin with redis://"),
        ("unix+cluster:///run/redis", "does not begin with redis://"),
        ("redis+both://h", "does not begin with redis://"),
        ("redis://h/0?decode_responses=True", "decode_responses"),
        ("redis://h?ssl_ca_certs=/ca.pem", "ssl_ca_certs is for TLS alone"),
        ("rediss://h?ssl_ca_certs=/no/such/ca.pem", "names no file: /no/such/ca.pem"),
        ("redis://h1,h2", "several servers"),
        ("redis://h?sokcet_timeout=5", "sokcet_timeout is none of"),
        ("redis://h?socket_timeout=soon", "socket_timeout"),
        ("redis://h?sentinel_password=p", "for redis\\+sentinel:// alone"),
        ("redis+cluster://h?sentinel_password=p", "for redis\\+sentinel:// alone"),
        ("redis+sentinel://h1,h2", "names no service"),
        ("redis+sentinel://h1/main/x", "the number of a database"),
        ("redis+cluster://h1,h2/1", "names a database"),
        ("redis+cluster://h1?db=1", "names a database"),
        ("redis+cluster://h1,,h2", "addresses is empty"),
        ("redis+cluster://h1:many", "a port of it"),
        ("redis://h:99999", "a port of it"),
        ("redis://:pl/ant@h", "has an @ behind"),
        ("redis+cluster://:p?lant=ed@h", "has an @ behind"),
    ],
)
def test_a_url_that_does_not_say_where_redis_is_is_refused(url: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=f"PROCESSOR_REDIS_URL.*{wrong}"):
        Server.from_url(url)


def test_an_address_of_sentinels() -> None:
    address = parsed(
        "rediss+sentinel://user:p%40ss@s1,s2:7000,[::1]:7001/main/3"
        "?sentinel_username=us&sentinel_password=pl%40nted&socket_timeout=2"
    )
    assert address.kind == "sentinel"
    assert address.tls
    assert address.nodes == (("s1", 26379), ("s2", 7000), ("::1", 7001))
    assert address.service == "main"
    assert address.url == "rediss://user:p%40ss@s1:26379/3?socket_timeout=2"
    assert address.sentinel == {"username": "us", "password": "pl@nted"}


def test_an_address_of_a_cluster() -> None:
    address = parsed("redis+cluster://:secret@n1:7000,n2")
    assert (address.kind, address.tls) == ("cluster", False)
    assert address.nodes == (("n1", 7000), ("n2", 6379))
    assert address.url == "redis://:secret@n1:7000/"


def test_keys_of_one_partition_share_their_slot_and_no_names_collide() -> None:
    keys = Keys("shop:eu")
    names = [keys.current(3), keys.latest(3), keys.sessions(3, "g")]
    assert {name.partition("}")[0] for name in names} == {"{shop:eu:3"}
    claims = [keys.claims(), keys.building(), keys.holders("g")]
    assert {name.partition("}")[0] for name in claims} == {"{shop:eu:claims"}
    assert len({*names, *claims, keys.meta(), keys.schemas()}) == 8
