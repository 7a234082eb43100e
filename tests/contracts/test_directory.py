"""What every directory does: the suite of the port `Directory`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.ports.sessions import CacheUnavailable

if TYPE_CHECKING:
    from fakes.backends import Backend

pytest_plugins = ["fakes.backends"]


def test_a_description_stands_and_may_be_repeated(backend: Backend) -> None:
    directory = backend.directory()
    assert not backend.exists(backend.keys.meta())
    assert directory.partitions() is None
    directory.describe(12, {"aa": '{"type": "string"}'})
    directory.describe(12, {"aa": '{"type": "string"}'})
    directory.describe(12, {})
    assert directory.partitions() == 12
    assert backend.exists(backend.keys.meta())
    assert backend.exists(backend.keys.schemas())


def test_the_server_tells_what_it_would_evict(backend: Backend) -> None:
    assert backend.directory().eviction_policy() == "noeviction"


def test_a_server_that_is_away_is_unavailable(backend: Backend) -> None:
    directory = backend.directory()
    backend.go_away()
    with pytest.raises(CacheUnavailable):
        directory.describe(12, {})
    with pytest.raises(CacheUnavailable):
        directory.eviction_policy()
    backend.come_back()
    directory.describe(12, {})
