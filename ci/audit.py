"""Asks whether what the image's lock file names has known vulnerabilities. Exits with 1 if it has.

Where the data cannot be had, in part or at all, it says so and exits with 0: a machine without the
data must be able to check a change. It asks for the image's packages alone: those are what runs in
production. Arguments are handed on to pip-audit.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

LOCK: Final = Path(__file__).parent.parent / "deploy" / "image" / "runtime.lock"
SECONDS: Final = 20.0
"""How long it may take in all; a server that answers takes a few."""

ACCEPTED: Final[dict[str, str]] = {}
"""Vulnerabilities, by id, that do not concern us, each with the reason."""


def audit(arguments: Sequence[str]) -> str | None:
    """Return pip-audit's report in JSON, None where it made none."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK)]
    # The versions are all there: nothing is resolved, and nothing is installed.
    command += ["--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    command += ["--timeout", "4", "--format", "json"]
    for each in ACCEPTED:
        command += ["--ignore-vuln", each]
    try:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout


def verdict(report: str | None) -> tuple[int, list[str]]:
    """Return the exit code and what to say of a report."""
    try:
        found: list[dict[str, Any]] = json.loads(report or "")["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, ["audit: the data could not be had; nothing was audited"]
    unknown = [each["name"] for each in found if "skip_reason" in each]
    bad = [
        f"  {each['name']} {each['version']}: {hole['id']}, mended in "
        f"{' or '.join(hole['fix_versions']) or 'no version'}"
        for each in found
        for hole in each.get("vulns", ())
    ]
    if bad:
        return 1, ["audit: known vulnerabilities in deploy/image/runtime.lock:", *bad]
    if unknown and len(unknown) == len(found):
        return 0, ["audit: the data could not be had; nothing was audited"]
    told = [f"audit: no known vulnerability in {len(found) - len(unknown)} packages"]
    if unknown:
        told.append(f"audit: the data of {', '.join(unknown)} could not be had")
    return 0, told


if __name__ == "__main__":
    code, said = verdict(audit(sys.argv[1:]))
    print("\n".join(said))
    sys.exit(code)
