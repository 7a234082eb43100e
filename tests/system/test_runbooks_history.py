"""The runbooks of docs/operations/ about what sessions were, and about the way to commands."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from golden import encoded, update
from servers import KafkaAddress, Names, RedisAddress
from session_commands import expire
from system.deployment import Deployment
from system.process import Process
from system.test_runbooks import Shell, commands, follow

from processor.demo.traffic import DemoUpdate, updates

MONDAY = 1_772_452_800_000
"""2026-03-02T12:00:00Z."""
DAY = 86_400_000
KEY = b"1:cart-17"
HOUR = 3_600_000
ROOT = Path(__file__).parents[2]
FORMER = "e645d93bc93a2d4c7b56774b2c6221588096b047"
"""The last commit that was in use without commands."""


class Upgraded(Deployment):
    """Its topics are those that the former version makes, which stands in `former_sources`."""

    former_sources: Path

    def create_topics(self, only: str | None = None) -> None:
        super().create_topics(only or self.names.updates)
        made = self.former("topics", "create")
        assert made.wait(180) == 0, made.log

    def former(self, *arguments: str) -> Process:
        # Its own codec is not built, and the present one is another version's.
        itself = {"PYTHONPATH": str(self.former_sources), "PROCESSOR_CODEC": "fastavro"}
        process = Process(
            [sys.executable, "-P", "-m", "processor", *arguments],
            {**self.environment, **itself},
            self._logs / f"former-{len(self._processes)}.log",
        )
        self._processes.append(process)
        return process


@pytest.fixture
def upgraded(
    kafka: KafkaAddress, valkey: RedisAddress, names: Names, tmp_path: Path
) -> Iterator[Upgraded]:
    """The service on the topics of the former version, whose very sources are at hand."""
    paths = ("processor", "schemas", "pyproject.toml", "codec/pyproject.toml")
    archived = subprocess.run(
        ["git", "archive", FORMER, *paths], cwd=ROOT, capture_output=True, check=False
    )
    if archived.returncode:
        pytest.skip(f"the history has no former version: {archived.stderr.decode().strip()}")
    sources = tmp_path / "former"
    sources.mkdir()
    subprocess.run(["tar", "--extract"], cwd=sources, input=archived.stdout, check=True)
    made = Upgraded(kafka.bootstrap_servers, valkey.url, names, tmp_path)
    made.former_sources = sources
    with made:
        yield made


def sent(value: bytes, timestamp: int = MONDAY) -> DemoUpdate:
    return DemoUpdate(KEY, value, (), timestamp, 2)


def test_what_a_session_looked_like_on_tuesday(deployment: Deployment, tmp_path: Path) -> None:
    coupons = ("MON", "TUE", "WED")
    deployment.produce(
        sent(encoded(update(day, coupon=coupons[day])), MONDAY + day * DAY) for day in range(3)
    )
    assert deployment.run("--until-end").wait(180) == 0
    shell = Shell(deployment, tmp_path)
    title = "What did this session look like on Tuesday"
    follow(shell, title)
    asked, whole, _, _, replayed, _ = (shell.answers[line].stdout for line in commands(title))
    assert ("TUE" in asked, "v2" in asked, "WED" in asked) == (True, True, False)
    assert "coupon: TUE → WED" in whole
    assert ("coupon: MON → TUE" in replayed, "WED" in replayed) == (True, False)


def test_upgrade_to_commands_and_back_before_the_first_one(
    upgraded: Upgraded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The versions take turns; what they make together is what the oracle makes."""
    now = time.time_ns() // 1_000_000
    stream = (
        each
        for each in updates(800, seed=83, start=now - HOUR, partition=upgraded.partition)
        if each.timestamp <= now
    )
    shell, ours = Shell(upgraded, tmp_path), upgraded.run
    upgraded.produce(islice(stream, 150))
    first = upgraded.former("run", "--until-end")
    assert first.wait(180) == 0, first.log[-3000:]
    assert told(upgraded) == {"unknown"}
    for line in commands("Upgrade to commands, and back before the first one"):
        is_former = "the former version" in line
        monkeypatch.setattr(
            upgraded, "run", (lambda: upgraded.former("run")) if is_former else ours
        )
        shell.run(line)
        if line.startswith("session-processor run"):
            upgraded.produce(islice(stream, 150))
            upgraded.await_processed()
            assert told(upgraded) == {"unknown" if is_former else "known"}
    shell.stop()
    upgraded.assert_exact()
    upgraded.produce([sent(expire(KEY, 0), now)])
    last = ours("--until-end")
    assert last.wait(180) == 0, last.log[-3000:]
    assert told(upgraded) == {"known", "passed"}
    refused = upgraded.former("run", "--until-end")
    assert refused.wait(180) == 5, refused.log[-3000:]
    assert "it has a format that this version cannot read: 2" in refused.log


def told(deployment: Deployment) -> set[str]:
    """Return what `offsets show` tells of commands, of all partitions."""
    shown = deployment.command("offsets", "show", "--json")
    return {json.loads(line)["commands"] for line in shown.stdout.splitlines()}
