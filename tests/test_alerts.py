"""The alert rules, made of series by Prometheus' own tool."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DIRECTORY = Path(__file__).parents[1] / "deploy" / "prometheus"
PROMTOOL = shutil.which("promtool")


def load(name: str) -> Any:
    return yaml.safe_load((DIRECTORY / name).read_text())


def rules() -> dict[str, str]:
    (group,) = load("alerts.yml")["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_each_alert_of_a_partition_is_tried_both_ways() -> None:
    of_partitions = {name for name, expr in rules().items() if re.search(r"\bpartition\b", expr)}
    assert of_partitions
    tried = {True: set[str](), False: set[str]()}
    for test in load("alerts.test.yml")["tests"]:
        for each in test["alert_rule_test"]:
            tried[bool(each["exp_alerts"])].add(each["alertname"])
    assert tried[True] == of_partitions
    assert tried[False] == of_partitions


@pytest.mark.skipif(
    PROMTOOL is None,
    reason="needs promtool: `ci/tools.sh` brings it; `make containers` runs it too",
)
def test_alerts_come_and_go_as_they_should() -> None:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "alerts.test.yml"],
        cwd=DIRECTORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
