"""The forge's workflows: sound, pinned, and nothing but the scripts that are run everywhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


def steps(name: str, job: str) -> list[dict[str, Any]]:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    found: list[dict[str, Any]] = workflow["jobs"][job]["steps"]
    return found


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", *WORKFLOWS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("go") is None, reason="actionlint is built by go")
def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        ["go", "run", ACTIONLINT, *WORKFLOWS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_action_is_pinned_by_its_commit_and_names_its_version(path: Path) -> None:
    used = re.findall(r"uses: (?!\./)(.+)$", path.read_text(), re.MULTILINE)
    assert used
    for each in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_checks_and_packages_are_those_of_every_checkout() -> None:
    assert steps("ci", "check")[-1] == {"run": ".ci/run"}
    assert {"run": "make dist"} in steps("release", "wheels")
    assert "make dist" in (ROOT / ".ci" / "run").read_text()


def test_no_secret_is_kept_for_a_release() -> None:
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert set(re.findall(r"secrets\.\w+", release)) == {"secrets.GITHUB_TOKEN"}
