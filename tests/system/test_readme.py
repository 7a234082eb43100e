"""The README's example: the update that it sends comes to the session that it shows."""

import re
import subprocess
import sys
from pathlib import Path

from system.deployment import Deployment
from system.process import eventually

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_update_comes_to_the_session_that_is_shown(deployment: Deployment) -> None:
    def answer(*words: str, given: str = "") -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "processor", *words],
            env=deployment.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return [line.rstrip() for line in done.stdout.splitlines()]

    [sent] = re.findall(r"^\$ echo '(.+)' \| session-processor produce -$", README, re.MULTILINE)
    [(key, shown)] = re.findall(
        r"^\$ session-processor sessions get (\S+)\n(.+?)```", README, re.MULTILINE | re.DOTALL
    )
    process = deployment.run()
    answer("produce", "-", given=sent)
    eventually("the session is in Redis", lambda: answer("sessions", "get", key) != [])
    assert answer("sessions", "get", key) == shown.splitlines()
    process.terminate()


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 130
