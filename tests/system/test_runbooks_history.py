"""The runbooks of docs/operations.md about what sessions were, and about the way to commands."""

import json
import sys
from pathlib import Path

import pytest
from golden import encoded, update
from session_commands import expire
from system.deployment import Deployment
from system.process import Process
from system.test_runbooks import Shell, commands, follow

from processor.demo.traffic import DemoUpdate

MONDAY = 1_772_452_800_000
"""2026-03-02T12:00:00Z."""
DAY = 86_400_000
KEY = b"1:cart-17"
FORMER = Path(__file__).with_name("former.py")


def sent(value: bytes, timestamp: int = MONDAY) -> DemoUpdate:
    return DemoUpdate(KEY, value, (), timestamp, 2)


def test_what_a_session_looked_like_on_tuesday(deployment: Deployment, tmp_path: Path) -> None:
    coupons = ("MON", "TUE", "WED")
    deployment.produce(
        sent(encoded(update(day, coupon=coupons[day])), MONDAY + day * DAY) for day in range(3)
    )
    assert deployment.run("--until-end").wait(60) == 0
    shell = Shell(deployment, tmp_path)
    title = "What did this session look like on Tuesday"
    follow(shell, title)
    asked, whole, _, _, replayed, _ = (shell.answers[line].stdout for line in commands(title))
    assert ("TUE" in asked, "v2" in asked, "WED" in asked) == (True, True, False)
    assert "coupon: TUE → WED" in whole
    assert ("coupon: MON → TUE" in replayed, "WED" in replayed) == (True, False)


def test_upgrade_to_commands_and_back_before_the_first_one(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A former version is one that knows `format` 1 alone."""

    def former(*arguments: str, **settings: str) -> Process:
        return deployment._start([sys.executable, str(FORMER), "run", *arguments], settings)

    updates = (encoded(update(number)) for number in range(9))
    shell, ours = Shell(deployment, tmp_path), deployment.run
    deployment.produce([sent(next(updates))])
    assert former("--until-end").wait(60) == 0
    assert told(deployment) == {"unknown"}
    for line in commands("Upgrade to commands, and back before the first one"):
        monkeypatch.setattr(deployment, "run", former if "the former version" in line else ours)
        shell.run(line)
        if line.startswith("session-processor run"):
            deployment.produce([sent(next(updates))])
            deployment.await_processed()
            assert told(deployment) == {"unknown" if "the former version" in line else "known"}
    shell.stop()
    # The first update, which is the first record of its partition, is not the last one any more.
    deployment.produce([sent(expire(KEY, 0))])
    last = ours("--until-end")
    assert last.wait(60) == 0, last.log[-3000:]
    assert told(deployment) == {"known", "passed"}
    refused = former("--until-end")
    assert refused.wait(60) == 5, refused.log[-3000:]
    assert "it has a format that this version cannot read: 2" in refused.log


def told(deployment: Deployment) -> set[str]:
    """Return what `offsets show` tells of commands, of all partitions."""
    shown = deployment.command("offsets", "show", "--json")
    return {json.loads(line)["commands"] for line in shown.stdout.splitlines()}
