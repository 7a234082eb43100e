"""A detached process is found again by its record, and no other process is ever signalled."""

import json
import signal
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from processor.local.process import DetachedProcess


def _start(tmp_path: Path, *command: str) -> DetachedProcess:
    return DetachedProcess.start(command, log=tmp_path / "log", record=tmp_path / "process.json")


def test_a_process_is_found_by_its_record_until_it_ends(tmp_path: Path) -> None:
    started = _start(tmp_path, "sleep", "100")
    assert DetachedProcess.recorded(tmp_path / "process.json") == started
    assert not started.wait(0.01)

    started.signal(signal.SIGKILL)

    assert started.wait(10)
    assert not started.alive()
    assert DetachedProcess.recorded(tmp_path / "process.json") is None


def test_a_stranger_with_the_recorded_id_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "100"]) as stranger:
        former = DetachedProcess(stranger.pid, "an earlier birth")
        (tmp_path / "process.json").write_text(json.dumps({"pid": former.pid, "born": former.born}))

        former.signal(signal.SIGKILL)

        assert DetachedProcess.recorded(tmp_path / "process.json") is None
        assert former.wait(0)
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_is_nobodys_child_and_needs_no_reaping(tmp_path: Path) -> None:
    started = _start(tmp_path, "sleep", "100")
    children = psutil.Process().children()
    started.signal(signal.SIGKILL)
    assert started.pid not in [child.pid for child in children]
    assert started.wait(10)


def test_why_a_command_could_not_be_executed_is_in_its_log(tmp_path: Path) -> None:
    assert _start(tmp_path, str(tmp_path / "absent")).wait(10)
    assert "absent" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1'])
def test_a_damaged_record_names_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "process.json").write_text(text)
    assert DetachedProcess.recorded(tmp_path / "process.json") is None
