"""There is one version number, and all that names it has it."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from processor import __version__

ROOT = Path(__file__).parents[1]


def toml(path: str) -> Any:
    return tomllib.loads((ROOT / path).read_text())


def test_what_is_installed_is_of_the_one_number() -> None:
    assert __version__ == toml("codec/pyproject.toml")["project"]["version"], "run `make setup`"


def test_nothing_else_holds_a_number() -> None:
    assert "version" not in toml("codec/Cargo.toml")["package"]
    assert "version" not in toml("pyproject.toml")["project"]


def test_the_extra_asks_for_the_codec_of_this_version() -> None:
    asked = toml("pyproject.toml")["project"]["optional-dependencies"]["fast"]
    assert asked == [f"session-processor-codec=={__version__}"]


def test_the_chart_is_of_the_one_number() -> None:
    chart = yaml.safe_load((ROOT / "deploy/helm/session-processor/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("name", ["deployment.yaml", "topics-job.yaml"])
def test_the_manifests_name_the_image_of_this_version(name: str) -> None:
    manifest = yaml.safe_load((ROOT / "deploy/kubernetes" / name).read_text())
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"session-processor:{__version__}"


def test_the_changelog_has_what_is_unreleased_and_then_this_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]
