import pytest
from fakes.service import World

from processor import pacing, runner, takeovers, until_end


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which the loop's time is its broker's."""
    made = World()
    for module in (pacing, runner, takeovers, until_end):
        monkeypatch.setattr(module, "time", made.broker)
    return made
