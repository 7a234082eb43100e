"""The documents name all that there is: settings, commands, options, exit codes and metrics."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import commands
from documented import OPERATIONS

from processor import errors
from processor.cli.main import app
from processor.config import Settings
from processor.config.settings import env_name
from processor.config.sources import CONFIG_VARIABLE
from processor.telemetry.metrics import Metrics

ROOT = Path(__file__).parent.parent
DOCUMENTS = OPERATIONS + (ROOT / "README.md").read_text()
EVERYWHERE = {"--help", "-h", "--json"}


def row(first: str) -> str:
    """Return the line of a table in docs/operations/ whose first cell this is."""
    found = re.search(rf"^\| {re.escape(first)} \|.*$", OPERATIONS, re.MULTILINE)
    return found[0] if found else ""


@pytest.mark.parametrize(
    "name", [CONFIG_VARIABLE, *(env_name(field) for field in Settings.model_fields)]
)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in OPERATIONS


def test_defaults_are_documented_as_they_are() -> None:
    for field, about in Settings.model_fields.items():
        if about.default_factory is None and about.default is not None:
            shown = f"{about.default:g}" if isinstance(about.default, float) else about.default
            assert f"| `{shown}` |" in row(f"`{env_name(field)}`"), field


@pytest.mark.parametrize(("path", "command"), list(commands(app)))
def test_every_command_and_option_is_documented(path: str, command: object) -> None:
    assert f"`{path}`" in DOCUMENTS
    for param in getattr(command, "params", []):
        for option in param.opts:
            if option.startswith("--") and option not in EVERYWHERE:
                assert re.search(rf"`{option}[` =]", DOCUMENTS), f"{path} {option}"


@pytest.mark.parametrize("record", ["SessionUpdate", "CustomerSession"])
def test_the_contract_has_a_record_s_fields_in_their_order(record: str) -> None:
    contract = (ROOT / "docs" / "contract.md").read_text()
    section = contract.partition(f"\n## {record}\n")[2].partition("\n\n`CartItem`:")[0]
    schema = json.loads((ROOT / "schemas" / f"{record}.avsc").read_text())
    documented = re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert documented == [field["name"] for field in schema["fields"]]


def _errors() -> Iterator[type[errors.ProcessorError]]:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.ProcessorError) and kind is not errors.ProcessorError:
            yield kind


@pytest.mark.parametrize("kind", list(_errors()))
def test_every_exit_code_is_documented(kind: type[errors.ProcessorError]) -> None:
    assert f"| `{kind.__name__}` |" in row(str(kind.exit_code))


def test_no_two_errors_share_an_exit_code() -> None:
    codes = [kind.exit_code for kind in _errors()]
    assert len(codes) == len(set(codes))
    assert not {0, 1, 2, 130} & set(codes)


def _metric_names() -> list[str]:
    ours = [m for m in Metrics("x").registry.collect() if m.name.startswith("session_processor_")]
    return [m.name + ("_total" if m.type == "counter" else "") for m in ours]


@pytest.mark.parametrize("name", _metric_names())
def test_every_metric_is_documented(name: str) -> None:
    assert row(f"`{name}`")


def test_no_metric_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"session_processor_\w+", DOCUMENTS)) <= set(_metric_names())
