"""The plain manifests fit the schemas of Kubernetes and what the service needs."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from processor.config.settings import Settings, env_name
from processor.runtime.shutdown import LAST_MOMENT_S

DIRECTORY = Path(__file__).parents[1] / "deploy" / "kubernetes"
FILES = sorted(DIRECTORY.glob("*.yaml"))
VERSION = kubernetes_validate.latest_version()


def manifest(name: str) -> Any:
    return yaml.safe_load((DIRECTORY / name).read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_manifest_fits_its_schema(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_misspelt_field_is_seen() -> None:
    broken = manifest("deployment.yaml")
    broken["spec"]["replica"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def test_a_pod_has_longer_to_end_than_it_takes() -> None:
    pod = manifest("deployment.yaml")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > LAST_MOMENT_S + 1.5
    assert pod["enableServiceLinks"] is False


def test_each_variable_is_a_setting() -> None:
    given = manifest("configmap.yaml")["data"].keys()
    assert given <= {env_name(field) for field in Settings.model_fields}


def test_the_budget_guards_the_pods_of_the_deployment() -> None:
    deployment = manifest("deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert manifest("disruption-budget.yaml")["spec"]["selector"]["matchLabels"] == labels
