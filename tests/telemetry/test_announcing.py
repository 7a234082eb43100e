"""A process says where it can be asked; whatever becomes of that, its loop goes on."""

from threading import Event

import pytest
from fakes.redis import FakeMembers
from fakes.redis_server import FakeServer
from structlog.testing import capture_logs

from processor.bootstrap.announcing import url_of
from processor.config import load
from processor.errors import ConfigError
from processor.ports.members import Member
from processor.redis.keys import Keys
from processor.telemetry.announcing import Announcing

MEMBER = Member("aa", "http://10.0.0.7:9464", "here")
WITHIN = 60


class Watched(FakeMembers):
    """Tells when something was announced."""

    def __init__(self, server: FakeServer) -> None:
        super().__init__(server, Keys("p"))
        self.tried = Event()

    def announce(self, member: Member, lease: int) -> None:
        try:
            super().announce(member, lease)
        finally:
            self.tried.set()


def test_a_process_announces_itself_at_once_and_withdraws_when_it_ends() -> None:
    members = Watched(FakeServer())
    announcing = Announcing(members, MEMBER)
    assert members.tried.wait(WITHIN)
    assert members.announced() == [MEMBER]
    announcing.close()
    assert members.announced() == []


def test_a_redis_that_is_away_is_logged_once_and_nothing_else() -> None:
    server = FakeServer()
    server.available = False
    members = Watched(server)
    with capture_logs() as logs:
        announcing = Announcing(members, MEMBER)
        assert members.tried.wait(WITHIN)
        announcing.close()
        announcing.announce()
        assert [each["event"] for each in logs] == ["not announced"]
        server.available = True
        announcing.announce()
        announcing.announce()
    assert [each["event"] for each in logs] == ["not announced", "announced"]
    assert members.announced() == [MEMBER]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:9464"),
        ({"http_host": "::1"}, "http://[::1]:9464"),
        ({"http_host": "node-7"}, "http://node-7:9464"),
        ({"http_host": "0.0.0.0"}, "http://127.0.0.1:9464"),  # noqa: S104  Redis is on this machine
        ({"http_host": "::", "redis_url": "redis://[::1]:1"}, "http://[::1]:9464"),
        ({"http_advertise": "https://node-7:443/"}, "https://node-7:443"),
        ({"http_advertise": "none"}, None),
    ],
)
def test_what_is_announced_is_how_others_reach_the_endpoint(
    given: dict[str, str], url: str | None
) -> None:
    assert url_of(load(given).settings, 9464) == url


@pytest.mark.parametrize("bad", ["node-7:9464", "http://", "http://u:p@h", "http://h/status"])
def test_what_is_no_url_of_an_endpoint_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"http_advertise": bad})
    assert "PROCESSOR_HTTP_ADVERTISE" in caught.value.message
