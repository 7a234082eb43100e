"""What the audit of the image's packages says, and when it fails."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def _audit() -> Any:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AUDIT = _audit()
CLEAN = {"name": "clean", "version": "1", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
BAD = {
    "name": "bad",
    "version": "2",
    "vulns": [{"id": "CVE-1", "fix_versions": ["3"], "aliases": [], "description": ""}],
}


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        ([CLEAN, CLEAN], 0, "no known vulnerability in 2 packages"),
        ([CLEAN, UNKNOWN], 0, "in 1 packages\naudit: the data of unknown could not be had"),
        ([UNKNOWN, UNKNOWN], 0, "nothing was audited"),
        ([CLEAN, UNKNOWN, BAD], 1, "bad 2: CVE-1, mended in 3"),
    ],
)
def test_a_known_vulnerability_fails_and_what_is_not_known_is_told(
    found: list[dict[str, Any]], code: int, told: str
) -> None:
    given, said = AUDIT.verdict(json.dumps({"dependencies": found, "fixes": []}))
    assert given == code
    assert told in "\n".join(said)


@pytest.mark.parametrize("report", [None, "", "{}", "Traceback"])
def test_no_report_is_no_failure_and_is_told(report: str | None) -> None:
    given, said = AUDIT.verdict(report)
    assert given == 0
    assert "nothing was audited" in said[0]


def test_ci_audits_and_the_image_takes_only_what_was_audited() -> None:
    assert "make audit" in (ROOT / ".ci" / "run").read_text().splitlines()
    dockerfile = (ROOT / "Dockerfile").read_text()
    installs = [part for part in dockerfile.split("pip")[1:] if "--requirement" in part]
    assert AUDIT.LOCK.relative_to(ROOT).as_posix() in dockerfile
    assert all("--require-hashes" in each for each in installs), installs
    assert len(installs) == dockerfile.count("--requirement")
