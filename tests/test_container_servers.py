"""Whether an engine is there is asked without a trace."""

import gc
from pathlib import Path

import pytest
from container_servers import engine_answers


def test_an_engine_that_is_away_leaves_nothing_to_warn_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A socket that is collected later would fail the test that runs then."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    assert not engine_answers()
    gc.collect()
