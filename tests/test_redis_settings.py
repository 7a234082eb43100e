"""How Redis' errors are sorted, and what is refused before a server is asked."""

import pytest
import redis.exceptions as raised

from processor.errors import ConfigError, Forbidden
from processor.ports.sessions import CacheUnavailable
from processor.redis.connection import Server, sorting_errors
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


def test_a_node_of_a_cluster_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="Cluster"), sorting_errors():
        raise raised.MovedError("3999 127.0.0.1:6381")


@pytest.mark.parametrize("prefix", ["", "a{b", "a}b", "{a}"])
def test_a_prefix_that_would_move_the_hash_slot_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        Keys(prefix)


@pytest.mark.parametrize(
    "url", ["http://localhost", "localhost:6379", "redis://h/0?decode_responses=True"]
)
def test_a_url_that_is_none_of_redis_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="PROCESSOR_REDIS_URL"):
        Server.from_url(url)


def test_keys_of_one_partition_share_their_slot_and_no_names_collide() -> None:
    keys = Keys("shop:eu")
    names = [keys.current(3), keys.latest(3), keys.sessions(3, "g")]
    assert {name.partition("}")[0] for name in names} == {"{shop:eu:3"}
    claims = [keys.claims(), keys.building(), keys.holders("g")]
    assert {name.partition("}")[0] for name in claims} == {"{shop:eu:claims"}
    assert len({*names, *claims, keys.meta(), keys.schemas()}) == 8
