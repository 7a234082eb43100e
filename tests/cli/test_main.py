"""The root of the command line: settings around commands, help, errors and exit codes."""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog
from commands import commands

from processor import __version__
from processor.cli.common.given import FLAGS, hoisted
from processor.cli.main import app, main
from processor.config import Settings
from processor.errors import FailClosed


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("PROCESSOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Served(ModuleType):
    """A `processor.bootstrap.service` that serves nothing and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__("processor.bootstrap.service")
        self.asked: dict[str, Any] = {}
        self.fault: BaseException | None = None

    def serve(self, settings: Settings, **asked: Any) -> int:
        self.asked = {"settings": settings, **asked}
        if self.fault is not None:
            raise self.fault
        return 0


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    module = Served()
    monkeypatch.setitem(sys.modules, "processor.bootstrap.service", module)
    return module


def test_settings_stand_before_or_after_the_command(served: Served) -> None:
    code = main(["--group-id", "a", "run", "--until-end", "--http-port=0", "--start", "latest"])
    assert code == 0
    assert (served.asked["settings"].group_id, served.asked["settings"].http_port) == ("a", 0)
    assert (served.asked["until_end"], served.asked["start"]) == (True, "latest")


def test_run_serves_from_the_earliest_without_an_end_unless_told(served: Served) -> None:
    assert main(["run"]) == 0
    assert (served.asked["until_end"], served.asked["start"]) == (False, "earliest")


def test_a_start_that_is_no_time_is_a_wrong_command_line(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--start", "nope"]) == 2
    assert "--start" in capsys.readouterr().err
    assert not served.asked


def test_after_two_dashes_nothing_is_a_setting() -> None:
    assert hoisted(["run", "--", "--group-id", "x"]) == ["run", "--", "--group-id", "x"]
    assert hoisted(["run", "--group-id"]) == ["--group-id", "run"]


def test_a_config_file_is_named_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.toml"
    file.write_text('group_id = "from-file"')
    assert main(["config", "show", "--config", str(file), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"setting": "PROCESSOR_GROUP_ID", "value": "from-file", "from": f"file {file}"} in rows


def test_config_show_masks_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROCESSOR_KAFKA_SASL_PASSWORD", "planted")
    assert main(["config", "show"]) == 0
    seen = capsys.readouterr()
    assert "***" in seen.out
    assert "planted" not in seen.out + seen.err


def test_an_error_is_one_line_a_hint_and_its_exit_code(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.fault = FailClosed("the offset of partition 3 is gone", hint="offsets repair")
    assert main(["run"]) == 5
    seen = capsys.readouterr()
    assert seen.err == "error: the offset of partition 3 is gone\nhint: offsets repair\n"
    assert not seen.out


def test_an_error_is_an_object_under_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--http-port", "x", "--json"]) == 3
    assert json.loads(capsys.readouterr().err)["error"] == "ConfigError"


def test_an_interrupt_ends_with_130(served: Served) -> None:
    served.fault = KeyboardInterrupt()
    assert main(["run"]) == 130


def test_a_defect_is_logged_with_its_traceback(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.fault = RuntimeError("odd")
    assert main(["run", "--json"]) == 1
    line = json.loads(capsys.readouterr().err)
    assert "RuntimeError: odd" in line["exception"]


def test_injected_variables_are_ignored_with_a_log_line(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROCESSOR_PORT", "tcp://10.0.0.1:80")
    assert main(["run", "--log-format", "json"]) == 0
    line = json.loads(capsys.readouterr().err)
    assert line["variables"] == ["PROCESSOR_PORT"]
    assert served.asked


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"session-processor {__version__}\n"


def test_help_of_every_command_has_an_example() -> None:
    for path, command in commands(app):
        assert "Example:" in (command.help or ""), path


def test_no_command_declares_a_setting_of_its_own() -> None:
    for path, command in commands(app):
        declared = {option for param in command.params for option in param.opts}
        assert not declared & FLAGS, path


def test_the_package_is_runnable() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "processor", "--version"], capture_output=True, text=True, check=True
    )
    assert __version__ in done.stdout


def test_local_status_of_an_empty_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["local", "status", "--state-dir", str(tmp_path / "none"), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["state"] for row in rows] == ["down", "down"]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--host", "10.0.0.7"], 3, "--password-file FILE"),
        (["--host", "::", "--behind-proxy"], 3, "--allow-host NAME"),
        (["--password-file", "/nowhere"], 3, "No such file"),
        (["--member", "node-7"], 8, "http://127.0.0.1:9464"),
        (["--port", "65536"], 2, "65535"),
    ],
)
def test_a_mistake_about_the_console_is_told(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, told: str
) -> None:
    assert main(["console", *options]) == code
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert main(["console", "--port", str(other.getsockname()[1])]) == 3
    assert "choose another port" in capsys.readouterr().err


def test_the_consoles_extra_is_named_where_it_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.startswith("processor.console")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    for name in [each for each in sys.modules if each.startswith("starlette.")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["console"]) == 3
    assert "pip install 'session-processor[console]'" in capsys.readouterr().err


def test_a_command_searches_for_cycles_and_not_among_what_was_imported() -> None:
    program = """
import gc, sys, types
stub = types.ModuleType("processor.cli.main")
stub.main = lambda: gc.isenabled() and gc.get_freeze_count() > 10_000
sys.modules[stub.__name__] = stub
from processor.__main__ import main
sys.exit(0 if main() else 5)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    assert ended.returncode == 0
