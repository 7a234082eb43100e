import pytest
from fakes.service import World

from processor import runner, until_end


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which the loop's time is its broker's."""
    made = World()
    monkeypatch.setattr(runner, "time", made.broker)
    monkeypatch.setattr(until_end, "time", made.broker)
    return made
