"""Which codec is in use, and what a start says of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from avro_bytes import SCHEMAS, needs_compiled

from processor.avro.choice import COST, MODULE, Choice, chosen
from processor.avro.compiled import RULES
from processor.errors import ConfigError


@needs_compiled
def test_the_choice_is_the_users_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen("auto", SCHEMAS).name == chosen("compiled", SCHEMAS).name == "compiled"
    assert chosen("fastavro", SCHEMAS).compiled is None
    other = ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, other)
    for vars(other)["RULES"] in (RULES - 1, RULES + 1):
        assert "is of another version" in chosen("auto", SCHEMAS).why
    vars(other).update(UPDATE=SCHEMAS.updates.reader.fingerprint, SNAPSHOT=bytes(8), RULES=RULES)
    assert chosen("auto", SCHEMAS) == Choice("fastavro", chosen("auto", SCHEMAS).why, None, None)
    with pytest.raises(ConfigError, match="is for other schemas"):
        chosen("compiled", SCHEMAS)
    monkeypatch.setitem(sys.modules, MODULE, None)
    assert "not installed" in chosen("auto", SCHEMAS).why
    with pytest.raises(ConfigError, match="not installed") as error:
        chosen("compiled", SCHEMAS)
    assert "session-processor[fast]" in error.value.hint


_START = """
import sys
from threading import Thread
# Every thread has its first words before whoever started it goes on.
start = Thread.start
Thread.start = lambda thread: (start(thread), thread.join(0.2))
sys.modules["session_processor_codec"] = None
from processor.cli.main import main
sys.exit(main(["run"]))
"""


def _log_of_a_start(codec: str) -> list[Any]:
    """Return the log of a start without the compiled codec, up to where it waits for Kafka."""
    own = {
        "PROCESSOR_CODEC": codec,
        "PROCESSOR_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "PROCESSOR_HTTP_PORT": "0",
    }
    others = {key: value for key, value in os.environ.items() if not key.startswith("PROCESSOR_")}
    lines = []
    with subprocess.Popen(
        [sys.executable, "-c", _START], stderr=subprocess.PIPE, text=True, env=others | own
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(json.loads(line))
            if lines[-1]["event"].startswith("server away"):
                process.terminate()
                break
        process.stderr.read()
    assert process.returncode == 0, lines
    return lines


@pytest.mark.servers  # a whole process, as slow as one
def test_a_start_without_the_compiled_codec_warns_of_its_cost_and_tells_how_to_get_it() -> None:
    starting, warning = _log_of_a_start("auto")[:2]
    assert (starting["event"], starting["codec"]) == ("starting", "fastavro")
    assert warning["level"] == "warning"
    assert warning["event"] == "running without the compiled codec"
    assert warning["why"] == "the compiled codec is not installed"
    assert warning["cost"] == COST
    assert "session-processor[fast]" in warning["hint"]


@pytest.mark.servers
def test_a_start_with_fastavro_by_choice_warns_of_nothing() -> None:
    log = _log_of_a_start("fastavro")
    assert log[0]["codec"] == "fastavro"
    assert "running without the compiled codec" not in [line["event"] for line in log]


def test_the_cost_is_what_was_measured() -> None:
    report = (Path(__file__).parents[2] / "docs/performance.md").read_text()
    cost = dict(re.findall(r"`cpu_us_per_event\.(compiled|fastavro)` \| ([\d.]+)", report))
    [times] = re.findall(r"about (\d+) times the CPU", COST)
    assert float(cost["fastavro"]) / float(cost["compiled"]) == pytest.approx(int(times), rel=0.3)
