"""The demo: the whole, as a newcomer runs it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from processor.core.outcome import Reason
from processor.local.process import DetachedProcess

pytestmark = pytest.mark.servers


def demo(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "processor", "demo", "--state-dir", str(directory), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def nothing_is_left(directory: Path) -> bool:
    return not directory.exists()


def test_it_shows_every_outcome_and_leaves_nothing_twice(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    first = demo(directory, "--updates", "6000", "--json")
    told, errors = first.communicate(timeout=120)
    assert first.returncode == 0, errors
    summary = json.loads(told)
    rejected = summary["rejected"]
    assert summary["accepted"] + summary["duplicates"] + sum(rejected.values()) == 6000
    assert all(rejected[reason.value] > 0 for reason in Reason), rejected
    assert summary["duplicates"] > 0
    assert nothing_is_left(directory)

    second = demo(directory, "--updates", "1000")
    told, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    for text in ("accepted", "transition-not-allowed", "__streams.errors.exception", "from Redis"):
        assert text in told
    assert nothing_is_left(directory)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_ended_at_any_time(tmp_path: Path, end: signal.Signals) -> None:
    directory = tmp_path / "demo"
    running = demo(directory)
    record = directory / "kafka" / "process.json"
    deadline = time.monotonic() + 60
    while not record.exists():
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.05)
    kafka = DetachedProcess.recorded(record)
    assert kafka is not None
    running.send_signal(end)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    assert not kafka.alive()
    assert nothing_is_left(directory)


def test_two_at_once_do_not_share_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    running = demo(directory, "--updates", "1000")
    while not directory.exists():
        time.sleep(0.05)
    other = demo(directory)
    _, errors = other.communicate(timeout=30)
    assert other.returncode == 10
    assert "a demo is running" in errors
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
