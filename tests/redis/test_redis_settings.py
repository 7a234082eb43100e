"""How Redis' errors are sorted, and what is refused before a server is asked."""

import re

import pytest
import redis.exceptions as raised
from redis._parsers.base import BaseParser

from processor.config import load
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
        raised.ResponseError("NOREPLICAS Not enough good replicas to write."),
        raised.ResponseError(
            "Error running script (call to f_1): @user_script:1: -MISCONF Errors writing to the AOF"
        ),
        raised.ConnectionError("max number of clients reached", status_code="ERR"),
        raised.ExternalAuthProviderError("problem with LDAP service", status_code="ERR"),
    ],
    ids=str,
)
def test_what_time_may_heal_is_unavailable(error: Exception) -> None:
    with pytest.raises(CacheUnavailable) as caught, sorting_errors():
        raise error
    assert "not known" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        raised.ResponseError("ERR max daily request limit exceeded"),
        raised.ResponseError("ERR upstream failure"),
        raised.InvalidResponse("Protocol Error: b'HTTP/1.1 400 Bad Request'"),
    ],
    ids=str,
)
def test_an_answer_that_is_not_known_is_waited_out_and_told(error: Exception) -> None:
    with pytest.raises(CacheUnavailable, match=f"{error} .not known to pass"), sorting_errors():
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
        raised.ResponseError(
            "Error running script (call to f_1): @user_script:2: The user executing the script "
            "can't access at least one of the keys mentioned in the command arguments"
        ),
        raised.ResponseError(
            "ACL failure in script: User u has no permissions to run the 'hget' command",
            status_code="ERR",
        ),
        raised.ResponseError(
            "Error running script: @user_script: 1: Unknown Redis command called from Lua script"
        ),
        raised.ResponseError("This Redis command is not allowed from script", status_code="ERR"),
        raised.ResponseError("unsupported command 'EVALSHA'", status_code="ERR"),
        raised.ResponseError("DENIED Redis is running in protected mode because"),
    ],
    ids=str,
)
def test_what_an_operator_must_allow_is_forbidden(error: Exception) -> None:
    with pytest.raises(Forbidden), sorting_errors():
        raise error


@pytest.mark.parametrize(
    ("answer", "wrong", "remedy"),
    [
        ("ERR DB index is out of range", "names a database", "below its setting"),
        ("ERR invalid DB index", "names a database", "below its setting"),
        ("NOPROTO unsupported protocol version", "asks for a protocol", "option protocol"),
        ("ERR unknown command `HELLO`, with args", "asks for a protocol", "option protocol"),
        ("ERR Client names cannot contain spaces", "has a client_name", "without spaces"),
        ("ERR unknown command 'SENTINEL', with args", "as a Sentinel", "redis://"),
        ("ERR SELECT is not allowed in cluster mode", "node of a Redis Cluster", "cluster://"),
        ("CROSSSLOT Keys in request", "node of a Redis Cluster", "redis\\+cluster://"),
    ],
)
def test_what_only_another_url_mends_is_a_wrong_setting(
    answer: str, wrong: str, remedy: str
) -> None:
    error: Exception = BaseParser.parse_error(answer)  # type: ignore[no-untyped-call]
    expected = pytest.raises(ConfigError, match=f"PROCESSOR_REDIS_URL .*{wrong}")
    with expected as caught, sorting_errors():
        raise error
    assert re.search(remedy, caught.value.hint)
    assert caught.value.exit_code == 3


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
    with pytest.raises(ConfigError, match=r"PROCESSOR_REDIS_PREFIX .*empty or has braces"):
        load({"redis_prefix": prefix})


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
        ("redis://h?socket_timeout=0", "socket_timeout must be seconds"),
        ("redis://h?socket_timeout=-1", "socket_timeout must be seconds"),
        ("redis://h?socket_timeout=inf", "socket_timeout must be seconds"),
        ("redis://h?socket_connect_timeout=nan", "socket_connect_timeout must be seconds"),
        ("redis://h?socket_timeout=60", "at most 10"),
        ("redis://h?socket_keepalive=maybe", "socket_keepalive must be true or false"),
        ("redis://h?socket_read_size=0", "socket_read_size must be"),
        ("redis://h?max_connections=0", "max_connections must be"),
        ("redis://h?health_check_interval=-1", "health_check_interval must be"),
        ("redis://h?protocol=7", "protocol must be 2 or 3"),
        ("redis://h?protocol=", "protocol must be 2 or 3"),
        ("redis://h?client_name=a%20b", "client_name must be"),
        ("redis://h?timeout=3", "timeout is none of"),
        ("redis://h?db=1&db=2", "db is given twice"),
        ("redis://h?db=-1", "db must be"),
        ("redis://h/1?db=2", "its path names one database"),
        ("redis://h/mymaster", "the number of a database"),
        ("redis://h/1/2", "the number of a database"),
        ("rediss://h/-1", "the number of a database"),
        ("redis://h/²", "the number of a database"),
        ("rediss://h?ssl_cert_reqs=sometimes", "ssl_cert_reqs must be"),
        ("rediss://h?ssl_check_hostname=perhaps", "ssl_check_hostname must be"),
        ("rediss://h?ssl_min_version=1.2", "ssl_min_version must be 771"),
        ("rediss://h?ssl_min_version=12", "ssl_min_version must be 771"),
        (f"rediss://h?ssl_keyfile={__file__}", "needs ssl_certfile"),
        (f"rediss://h?ssl_ca_certs={__file__}", "names no certificates"),
        (f"rediss://h?ssl_certfile={__file__}", "not those of one certificate"),
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


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h/",
        "redis://h:6380/15",
        "redis:///3",
        "redis://h/1?db=1",
        "redis://h?db=1&socket_timeout=2.5&socket_keepalive=no&protocol=3&client_name=a-b",
        "redis://h?username=u&password=&max_connections=1&health_check_interval=0",
        "rediss://h?ssl_min_version=772&ssl_cert_reqs=none&ssl_check_hostname=False",
        "unix:///run/valkey.sock?db=1",
    ],
)
def test_a_url_of_one_server_is_taken_as_it_is(url: str) -> None:
    assert parsed(url) == ("server", url, (), "", {})
    Server.from_url(url).close()


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
