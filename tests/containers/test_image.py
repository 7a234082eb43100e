"""The image: who it runs as, what is in it, how it ends."""

import json
import time
from pathlib import Path

from containers.compose_stack import ROOT, docker


def test_it_runs_as_nobody_that_matters_on_a_read_only_root(image: str) -> None:
    locked = ("run", "--rm", "--read-only", "--cap-drop", "ALL", "--network", "none")
    script = "import os; print(os.getuid(), os.access('/opt/session-processor', os.W_OK))"
    told = docker(*locked, "--entrypoint", "python", image, "-c", script)
    assert told.split() == ["10001", "False"]
    assert docker(*locked, image, "--version").startswith("session-processor ")


def test_it_holds_the_schemas_and_no_tools_of_its_building(image: str) -> None:
    script = (
        "import importlib.util as u, json\n"
        "from processor.avro.schemas import load_schemas\n"
        "print(json.dumps([load_schemas().updates.reader.fingerprint.hex(),"
        " *(u.find_spec(each) is not None for each in ('pip', 'hatchling', 'pytest'))]))"
    )
    told = json.loads(docker("run", "--rm", "--entrypoint", "python", image, "-c", script))
    assert len(told[0]) == 16
    assert told[1:] == [False, False, False]


def test_it_has_the_compiled_codec(image: str) -> None:
    compiled = ("--env", "PROCESSOR_CODEC=compiled")
    told = docker("run", "--rm", *compiled, image, "config", "show", "--json")
    assert "compiled" in told


def test_sigterm_ends_it_cleanly_within_ten_seconds_even_without_servers(image: str) -> None:
    container = docker("run", "--detach", "--network", "none", image).strip()
    try:
        _await_live(container)
        began = time.monotonic()
        docker("stop", "--time", "30", container)
        took = time.monotonic() - began
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container).strip() == "0"
        assert took < 10
    finally:
        docker("rm", "--force", container)


def test_what_is_built_names_no_syntax_image() -> None:
    """It would be fetched from a registry before anything else."""
    assert "syntax=" not in Path(ROOT / "Dockerfile").read_text()


def _await_live(container: str) -> None:
    ask = (
        "import urllib.request as r, time\n"
        "for _ in range(300):\n"
        "    try: r.urlopen('http://127.0.0.1:9464/livez', timeout=1); break\n"
        "    except OSError: time.sleep(0.1)\n"
        "else: raise SystemExit('not live')"
    )
    docker("exec", container, "python", "-c", ask)
