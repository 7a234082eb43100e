"""The boards: what they ask is told, what they say to run exists, and no panel lies on another."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import commands
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import generate_latest
from queries import BOARDS, DEPLOY, Query, alert_queries, board_queries, labels_told, panels

from processor.cli.main import app
from processor.ports.clock import SYSTEM_CLOCK
from processor.telemetry.metrics import Lag, Metrics

_NOTHING = object()
QUERIES = [*board_queries(), *alert_queries()]


def each_board(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, BOARDS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def of_a_process() -> dict[str, set[str]]:
    """What the endpoint of a process with one partition has, by metric its labels."""
    metrics = Metrics("fastavro")
    metrics.assigned([3])
    metrics.lag({3: Lag(0, 0.0)})
    metrics.restore(3, 0, 0)
    metrics.halted(3, halted=False)
    metrics.damaged(3, damaged=False)
    metrics.stalled(3, stalled=False)
    metrics.open_transaction("session-updates", 3, 0.0)
    metrics.timed(SYSTEM_CLOCK, "fold", lambda: None)()
    return labels_told(generate_latest(metrics.registry).decode())


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_what_a_query_names_is_told(query: Query, of_a_process: dict[str, set[str]]) -> None:
    assert query.metrics()
    assert query.unknown(of_a_process) == set()


@pytest.mark.parametrize(
    ("expr", "legend", "unknown"),
    [
        ('max by (partition) (session_processor_lag{job=~"$job"})', "", {"session_processor_lag"}),
        ("sum by (topic) (session_processor_lag_records)", "", {"topic"}),
        ('session_processor_lag_records{shard="3"} > 0', "", {"shard"}),
        ("rate(session_processor_aborts_total[5m])", "{{reason}}", {"reason"}),
    ],
)
def test_what_is_not_told_is_seen(
    expr: str, legend: str, unknown: set[str], of_a_process: dict[str, set[str]]
) -> None:
    missing = Query("here", expr, legend).unknown(of_a_process)
    assert missing & unknown == unknown


@each_board("path")
def test_a_board_is_one_that_grafana_can_take(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == f"session-processor-{path.stem}"
    assert "id" not in board, "it is of the Grafana that the board was exported from"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["title"]
        if "targets" in panel:
            assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references)


@each_board("path")
def test_grafana_knows_each_field_of_a_board(path: Path) -> None:
    register_default_plugins()
    board = json.loads(path.read_text())
    assert list(_unknown(board)) == []
    for place in (board, board["panels"][1]["options"], board["panels"][1]["targets"][0]):
        place["misspelt"] = 1
    assert len(list(_unknown(board))) == 3


def _unknown(board: Any) -> Iterator[str]:
    """Yield what Grafana's own model of a board leaves out or changes."""
    model = Dashboard.from_json(json.loads(json.dumps(board)))
    yield from _lost(board, json.loads(JSONEncoder().encode(model)), "")


def _lost(given: Any, kept: Any, place: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            yield from _lost(value, kept.get(name, _NOTHING), f"{place}/{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, value in enumerate(given):
            yield from _lost(value, kept[number], f"{place}/{number}")
    elif given != kept:
        yield place


@each_board("path")
def test_no_panel_lies_on_another(path: Path) -> None:
    places = [panel["gridPos"] for panel in panels(path)]
    assert all(at["x"] >= 0 and at["x"] + at["w"] <= 24 for at in places)
    for one, other in combinations(places, 2):
        assert not (_overlap(one, other, "x", "w") and _overlap(one, other, "y", "h"))


def _overlap(one: dict[str, int], other: dict[str, int], start: str, size: str) -> bool:
    return one[start] < other[start] + other[size] and other[start] < one[start] + one[size]


def test_each_command_that_a_board_names_exists() -> None:
    existing = dict(commands(app))
    named = {
        found.strip()
        for path in BOARDS
        for found in re.findall(r"session-processor(?: [a-z][a-z-]+)+", path.read_text())
    }
    assert named
    assert named <= existing.keys()


def test_what_is_provisioned_is_what_compose_mounts() -> None:
    def provisioned(kind: str) -> Any:
        [found] = (DEPLOY / "grafana" / "provisioning" / kind).iterdir()
        return yaml.safe_load(found.read_text())

    services = yaml.safe_load((DEPLOY.parent / "docker-compose.yml").read_text())["services"]
    mounted = {each.split(":")[1] for each in services["grafana"]["volumes"]}
    [provider] = provisioned("dashboards")["providers"]
    assert provider["options"]["path"] in mounted
    [source] = provisioned("datasources")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{BOARDS[-1].name}"
