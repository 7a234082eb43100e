"""What announcing does: the suite of the port `Members`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.ports.members import Member
from processor.ports.sessions import CacheUnavailable

if TYPE_CHECKING:
    from fakes.backends import Backend

pytest_plugins = ["fakes.backends"]

LEASE = 60_000
ONE = Member("aa", "http://10.0.0.1:9464", "one")
OTHER = Member("bb", "https://[::1]:1", "höst\n")


def test_who_announced_itself_is_there_until_it_withdraws_or_its_lease_ends(
    backend: Backend,
) -> None:
    assert backend.members().announced() == []
    for _ in range(2):  # again, as all do
        backend.members().announce(OTHER, LEASE)
        backend.members().announce(ONE, LEASE)
    assert backend.members().announced() == [ONE, OTHER]
    backend.members().withdraw(ONE.process)
    assert backend.members().announced() == [OTHER]
    backend.members().announce(ONE, LEASE)
    backend.delete(backend.keys.member(OTHER.process))  # as the server does when a lease ends
    backend.members().announce(ONE._replace(url="http://10.0.0.1:1"), LEASE)
    assert backend.members().announced() == [ONE._replace(url="http://10.0.0.1:1")]
    backend.members().withdraw("never there")


def test_a_server_that_is_away_is_unavailable(backend: Backend) -> None:
    members = backend.members()
    backend.go_away()
    for call in (
        lambda: members.announce(ONE, LEASE),
        lambda: members.withdraw(ONE.process),
        members.announced,
    ):
        with pytest.raises(CacheUnavailable):
            call()
    backend.come_back()
    members.announce(ONE, LEASE)
    assert members.announced() == [ONE]
