"""The chart: what helm makes of it fits Kubernetes, the plain manifests, and what the service is.

What needs helm is skipped where `ci/tools.sh` could not build the program that renders.
"""

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from chart import CHART, EXAMPLES, MANIFESTS, NAMESPACE, PROGRAM, Rendering, examples, render
from chart import manifests as made_manifests
from commands import commands
from jsonschema import Draft7Validator, ValidationError
from prometheus_client import generate_latest
from queries import ALERTS, Query, labels_told

from processor.cli.main import app
from processor.config.settings import Settings, env_name
from processor.telemetry.metrics import Lag, Metrics

VERSION = kubernetes_validate.latest_version()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DOCUMENT = CHART.parents[2] / "docs" / "operations" / "kubernetes.md"
LABELS = {"name", "instance", "version", "managed-by"}
needs_helm = pytest.mark.skipif(PROGRAM is None, reason="needs helm: `ci/tools.sh` builds it of Go")
each_example = pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])

WRONG: dict[str, dict[str, Any]] = {
    "a misspelt value": {"replica": 3},
    "a misspelt value further in": {"podMonitor": {"enable": True}},
    "no process": {"replicas": 0},
    "a secret among the settings": {"config": {"PROCESSOR_REDIS_URL": "redis://:secret@redis"}},
    "the chart's own port": {"config": {"PROCESSOR_HTTP_PORT": 8080}},
    "no setting": {"config": {"BOOTSTRAP_SERVERS": "kafka:9092"}},
    "a budget that lets no node be drained": {"podDisruptionBudget": {"maxUnavailable": 0}},
    "everybody may ask": {"networkPolicy": {"from": []}},
    "scaled by a Prometheus that is not named": {"keda": {"enabled": True}},
    "scaled to none, where nobody tells the lag": {"keda": {"minReplicas": 0}},
    "a console that asks nobody who it is": {
        "console": {"enabled": True, "hosts": ["a"], "from": [{"podSelector": {}}]}
    },
    "a console that everybody reaches": {
        "console": {"enabled": True, "hosts": ["a"], "behindProxy": True}
    },
    "a console without a name": {
        "console": {"enabled": True, "behindProxy": True, "from": [{"podSelector": {}}]}
    },
    "a digest that is none": {"image": {"repository": "a", "digest": "sha256:1"}},
}


def defaults() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "values.yaml").read_text()))


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return the values as helm lays one over the other."""
    both = {
        name: merged(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict)
    }
    return below | above | both


def accepts(values: dict[str, Any]) -> bool:
    return bool(Draft7Validator(SCHEMA).is_valid(merged(defaults(), values)))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_schema_takes_an_example_whose_settings_exist(path: Path) -> None:
    values = yaml.safe_load(path.read_text())
    assert accepts(values)
    settings = merged(defaults(), values)["config"]
    assert settings.keys() <= {env_name(field) for field in Settings.model_fields}


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG)
def test_the_schema_refuses(values: dict[str, Any]) -> None:
    assert not accepts(values)


def test_the_schema_takes_what_the_document_shows() -> None:
    shown = re.findall(r"^```yaml\n(.+?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    assert all(accepts(yaml.safe_load(text)) for text in shown)


def test_each_value_is_in_the_schema_and_has_a_default() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"].keys() - {"global"} == defaults().keys()
    for name, about in SCHEMA["properties"].items():
        if about.get("additionalProperties") is False:
            assert about["properties"].keys() == defaults()[name].keys(), name


def test_the_alerts_are_no_copy() -> None:
    assert (CHART / "alerts.yml").resolve() == ALERTS.resolve()


@needs_helm
def test_helm_refuses_by_the_schema_too(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(len(WRONG))]
    for path, values in zip(paths, WRONG.values(), strict=True):
        path.write_text(yaml.safe_dump(values))
    for what, made in zip(WRONG, render(paths), strict=True):
        assert "\n- at '" in made.error, what


@needs_helm
@each_example
def test_helm_finds_nothing_to_say(name: str) -> None:
    made = examples()[name]
    assert made.error == ""
    assert made.lint == []
    assert "NOTES.txt" in made.templates


@needs_helm
@each_example
def test_what_is_rendered_fits_kubernetes(name: str) -> None:
    for each in examples()[name].objects():
        if each["kind"] in {"PodMonitor", "PrometheusRule", "ScaledObject"}:
            _fits_its_definition(each)
        else:
            kubernetes_validate.validate(each, VERSION, strict=True)


def _fits_its_definition(each: dict[str, Any]) -> None:
    [file] = (Path(str(PROGRAM)).parents[1] / "crds").glob(f"*_{each['kind'].lower()}s.yaml")
    definition = yaml.safe_load(file.read_text())["spec"]
    group, _, version = each["apiVersion"].partition("/")
    assert group == definition["group"]
    [schema] = [known["schema"] for known in definition["versions"] if known["name"] == version]
    _close(schema)
    Draft7Validator(schema["openAPIV3Schema"]).validate(each)


def _close(schema: Any) -> None:
    """Have a schema refuse fields that it does not name, as the server warns of them."""
    if isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            _close(part)


@needs_helm
@pytest.mark.parametrize(
    ("name", "kind", "place"),
    [("operator", "PodMonitor", "spec"), ("autoscaled", "ScaledObject", "spec")],
)
def test_a_misspelt_field_of_an_operator_is_seen(name: str, kind: str, place: str) -> None:
    broken = {**examples()[name].only(kind)}
    broken[place] = {**broken[place], "misspelt": True}
    with pytest.raises(ValidationError, match="misspelt"):
        _fits_its_definition(broken)


@needs_helm
@each_example
def test_each_object_has_the_standard_labels_and_none_is_a_secret(name: str) -> None:
    found = list(examples()[name].objects())
    assert "Secret" not in {each["kind"] for each in found}
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names)
    for each in found:
        labels = each["metadata"]["labels"]
        assert labels.keys() >= {f"app.kubernetes.io/{label}" for label in LABELS}, each["kind"]


@needs_helm
def test_the_plain_manifests_are_made_of_the_chart() -> None:
    there = {path.name: path.read_text() for path in MANIFESTS.glob("*.yaml")}
    assert there == made_manifests(), "run `make manifests`"


@needs_helm
@each_example
def test_what_chooses_processes_chooses_these_alone(name: str) -> None:
    made = examples()[name]
    objects = list(made.objects())
    pods = {
        pod["app.kubernetes.io/component"]: pod
        for each in objects
        if (pod := each.get("spec", {}).get("template", {}).get("metadata", {}).get("labels"))
    }
    for chooser in _choosers(made):
        chosen = {part for part, labels in pods.items() if chooser.items() <= labels.items()}
        assert chosen == {"processor"}


def _choosers(made: Rendering) -> list[dict[str, str]]:
    """Return the labels by which each guard of the processes finds them."""
    found = []
    for each in made.objects():
        spec = each.get("spec", {})
        if each["metadata"]["name"].endswith("-console") or each["kind"] == "Job":
            continue
        if each["kind"] == "Service":
            found.append(spec["selector"])
        for place in ("selector", "podSelector"):
            found += [spec[place]["matchLabels"]] if "matchLabels" in spec.get(place, {}) else []
        spread = spec.get("template", {}).get("spec", {}).get("topologySpreadConstraints", [])
        found += [constraint["labelSelector"]["matchLabels"] for constraint in spread]
    return found


@needs_helm
def test_the_rule_is_the_file_of_alerts() -> None:
    spec = examples()["operator"].only("PrometheusRule")["spec"]
    assert spec == yaml.safe_load(ALERTS.read_text())


@needs_helm
def test_the_job_by_which_alerts_know_the_service_is_the_pods_name_label() -> None:
    made = examples()["operator"]
    label = made.only("PodMonitor")["spec"]["jobLabel"]
    pods = made.only("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert f'job="{pods[label]}"' in ALERTS.read_text()


@needs_helm
def test_keda_asks_for_what_is_told_and_nobody_else_scales() -> None:
    made = examples()["autoscaled"]
    assert "replicas" not in made.only("Deployment")["spec"]
    [trigger] = made.only("ScaledObject")["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    metrics = Metrics("fastavro")
    metrics.lag({3: Lag(0, 0.0)})
    told = labels_told(generate_latest(metrics.registry).decode())
    # These two are the PodMonitor's.
    assert Query("", trigger["metadata"]["query"]).unknown(told) == {"namespace", "pod"}
    assert f'namespace="{NAMESPACE}"' in trigger["metadata"]["query"]


@needs_helm
@pytest.mark.parametrize("name", ["console", "console-passwords"])
def test_the_console_is_started_as_its_command_is(name: str) -> None:
    known = dict(commands(app)).get("session-processor console")
    if known is None:
        pytest.skip("this version has no console")
    options = {option for each in known.params for option in each.opts}
    deployment = examples()[name].only("Deployment", "console")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    command, *arguments = container["args"]
    assert command == "console"
    assert {each.partition("=")[0] for each in arguments} <= options


@needs_helm
@pytest.mark.parametrize("name", ["console", "console-passwords"])
def test_the_console_may_ask_the_processes(name: str) -> None:
    made = examples()[name]
    pods = made.only("Deployment", "console")["spec"]["template"]["metadata"]["labels"]
    [rule] = made.only("NetworkPolicy", "processor")["spec"]["ingress"]
    allowed = [each["podSelector"]["matchLabels"] for each in rule["from"] if "podSelector" in each]
    assert any(labels.items() <= pods.items() for labels in allowed)
