import pytest
from fakes.service import World, loop_in_time_of


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which the loop's time is its broker's."""
    made = World()
    loop_in_time_of(made, monkeypatch)
    return made
