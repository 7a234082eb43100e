"""The queries of the boards and the alerts, and what they name that a process does not tell."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client.parser import text_string_to_metric_families

DEPLOY: Final = Path(__file__).parents[1] / "deploy"
BOARDS: Final = sorted((DEPLOY / "grafana" / "boards").glob("*.json"))
ALERTS: Final = DEPLOY / "prometheus" / "alerts.yml"
_BY_PROMETHEUS: Final = {"job", "instance"}
_WORDS: Final = {"and", "or", "unless", "bool", "offset", "by", "on", "without", "group_left"}
_GROUPING: Final = re.compile(r"\b(?:by|on|without|group_left)\s*\(([^)]*)\)")
_MATCHERS: Final = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Query:
    """One expression in PromQL, where it stands, and the form of its legend."""

    place: str
    expr: str
    legend: str = ""

    def metrics(self) -> set[str]:
        """Return the names of the series that it asks for."""
        bare = re.sub(r"\[[^]]*\]", "", _GROUPING.sub("", _MATCHERS.sub("", self.expr)))
        return set(re.findall(r"\b[a-z_]\w*\b(?!\s*\()", bare)) - _WORDS

    def labels(self) -> set[str]:
        """Return the labels that it chooses or groups by, or that its legend shows."""
        found = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", self.legend))
        for matchers in _MATCHERS.findall(self.expr):
            found.update(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", matchers))
        for names in _GROUPING.findall(self.expr):
            found.update(re.findall(r"\w+", names))
        return found

    def unknown(self, told: Mapping[str, set[str]]) -> set[str]:
        """Return what it names and `told` has not: the labels of each metric by its name."""
        metrics = self.metrics() - {"up"}
        labels = _BY_PROMETHEUS.union(*(told.get(name, set()) for name in metrics))
        return (metrics - told.keys()) | (self.labels() - labels)

    def filled(self) -> str:
        """Return it with values in place of a board's variables."""
        values = {"job": ".*", "partition": ".*", "__rate_interval": "1m", "__range": "1h"}
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], self.expr)


def labels_told(*texts: str) -> dict[str, set[str]]:
    """Return the labels of each metric that the answers of `/metrics` have."""
    found: dict[str, set[str]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def panels(path: Path) -> list[Any]:
    """Return a board's panels."""
    return list(json.loads(path.read_text())["panels"])


def board_queries() -> Iterator[Query]:
    """Yield each query of each board's panels and variables."""
    for path in BOARDS:
        for panel in panels(path):
            for target in panel.get("targets", []):
                place = f"{path.name}: {panel['title']}"
                yield Query(place, target["expr"], target["legendFormat"])
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
                assert asked, variable
                yield Query(f"{path.name}: ${variable['name']}", asked[1], f"{{{{{asked[2]}}}}}")


def alert_queries() -> Iterator[Query]:
    """Yield each alert's expression; what its summary shows is its legend."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    for rule in group["rules"]:
        yield Query(rule["alert"], rule["expr"], rule["annotations"]["summary"])
