"""What only Sentinels show: that they know a primary or not, and credentials of their own."""

from collections.abc import Iterator

import pytest
from documented import Rule, besides
from servers import Places
from valkeys import Watched, command

from processor.errors import Forbidden
from processor.ports.sessions import CacheUnavailable
from processor.redis.connection import Server

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def watched(places: Places) -> Iterator[Watched]:
    watched = Watched(places)
    yield watched
    watched.kill()


def asked(url: str) -> object:
    server = Server.from_url(url, timeout=2)
    try:
        return server.ask(("GET", "a"))
    finally:
        server.close()


def test_a_service_that_no_sentinel_knows_is_waited_for_by_name(watched: Watched) -> None:
    """A Sentinel that has just been started may learn of it."""
    with pytest.raises(CacheUnavailable, match=r"no Sentinel names 'other'.*does not know it"):
        asked(watched.url.replace("/mymaster", "/other"))


def test_a_sentinel_that_refuses_is_named_and_its_password_is_not(watched: Watched) -> None:
    wrong = watched.url.replace(watched.PASSWORD, "wr0ng")
    for url in (wrong, wrong.partition("?")[0]):
        with pytest.raises(Forbidden, match=f"Sentinel at 127.0.0.1:{watched.sentinel.port}") as no:
            asked(url)
        assert "wr0ng" not in f"{no.value.message}{no.value.hint}"


def test_a_user_of_the_sentinels_needs_the_one_right_that_is_documented(watched: Watched) -> None:
    rights = besides("Sentinels")
    allowed = Rule("asker", ("reset", "on", ">PASSWORD", *rights))
    url = watched.url.partition("?")[0] + "?sentinel_username=asker&sentinel_password=pass"
    command(watched.sentinel, *allowed.arguments("asker", "pass"))
    assert asked(url) == [None]
    for right in rights:
        command(watched.sentinel, *allowed.without(right).arguments("asker", "pass"))
        with pytest.raises(Forbidden, match="sentinel"):
            asked(url)
