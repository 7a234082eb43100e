"""The steps of CONTRIBUTING to add a field are all that there is to do: a copy takes them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from avro_bytes import FAST
from system.deployment import Deployment

ROOT = Path(__file__).parents[2]
COPIED = (
    *("Makefile", "pyproject.toml", "README.md", "CONTRIBUTING.md"),
    *("processor", "schemas", "contract", "docs", "codec", "bench", "tests"),
)
MODULE = "session_processor_codec"
BLOCK = re.compile(r"^ *```(sh|diff)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OWN_TESTS = (
    *("tests/test_golden.py", "tests/test_docs.py", "tests/core/test_fold.py"),
    *("tests/avro/test_codec.py", "tests/avro/test_schemas.py"),
)


def ran(*command: str, into: Path, **environment: str) -> str:
    """Run a command on the sources in a directory; return what it says."""
    inherited = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    done = subprocess.run(
        command,
        cwd=into,
        env={**inherited, "PYTHONPATH": str(into), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def take_the_steps(copy: Path) -> None:
    """Do what "Add a field" says, in its order."""
    section = re.search(
        r"^## Add a field$(.*?)^## ",
        (ROOT / "CONTRIBUTING.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert section
    for kind, text in BLOCK.findall(section[1]):
        if kind == "diff":
            change(copy, *dedent(text).split("\n", 1))
        else:
            for line in dedent(text).splitlines():
                command(copy, line)
    prefixes = json.loads((copy / "contract" / "schemas.json").read_text())
    layout = copy / "codec" / "src" / "layout.rs"
    source = layout.read_text()
    for name, schema in (("UPDATE", "SessionUpdate"), ("SNAPSHOT", "CustomerSession")):
        fingerprint = prefixes[f"schemas/{schema}.avsc"]["prefix"].removeprefix("c301")
        source, found = re.subn(
            rf"(const {name}: .* = 0x)\w+(_u64)", rf"\g<1>{fingerprint}\2", source
        )
        assert found == 1
    layout.write_text(source)


def change(copy: Path, path: str, lines: str) -> None:
    """Add the lines with a plus behind the one before them, which stands in the file once."""
    shown = lines.splitlines(keepends=True)
    before = "".join(line[1:] for line in shown if line[0] == " ")
    after = "".join(line[1:] for line in shown)
    source = "\n" + (copy / path).read_text()
    assert source.count("\n" + before) == 1, f"{path} has not this line once: {before}"
    (copy / path).write_text(source.replace("\n" + before, "\n" + after)[1:])


def command(copy: Path, line: str) -> None:
    """Run a line; make has no environment to set up here."""
    name, *arguments = line.split()
    if name == "make":
        arguments += ["--old-file=setup", f"BIN={Path(sys.executable).parent}"]
    if name == "cp":
        stem = arguments[1].partition(".N.")[0]
        number = 1 + sum(path.match(f"{stem}.*.avsc") for path in (copy / stem).parent.iterdir())
        arguments[1] = arguments[1].replace(".N.", f".{number}.")
    ran(name, *arguments, into=copy)


def build(copy: Path) -> None:
    """Compile the copy's codec, with what was compiled of it before, and put it into the copy."""
    target = ROOT / "codec" / "target"
    build = ("cargo", "build", "--release", "--locked", "--quiet")
    ran(
        *(*build, "--manifest-path", "codec/Cargo.toml"),
        into=copy,
        CARGO_TARGET_DIR=str(target),
        PYO3_PYTHON=sys.executable,
        PYO3_BUILD_EXTENSION_MODULE="1",
    )
    shutil.copy(target / "release" / f"lib{MODULE}.so", copy / f"{MODULE}.so")


@pytest.mark.parametrize("codec", ["fastavro", "compiled"])
def test_a_field_is_added_by_the_steps_of_contributing(
    deployment: Deployment, tmp_path: Path, codec: str
) -> None:
    if codec == "compiled" and (FAST is None or shutil.which("cargo") is None):
        pytest.skip("there is no cargo that could compile the codec with the field")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", "target", ".venv")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    take_the_steps(copy)
    if codec == "compiled":
        build(copy)

    def fold(sources: Path, *updates: dict[str, Any]) -> None:
        lines = tmp_path / "updates.jsonl"
        same = {"applicationId": 1, "integrationId": "a"}
        lines.write_text("\n".join(json.dumps({**same, **update}) for update in updates))
        processor(sources, "produce", str(lines))
        chosen = "auto" if sources == ROOT else codec
        processor(sources, "run", "--until-end", PROCESSOR_CODEC=chosen)

    def processor(sources: Path, *arguments: str, **more: str) -> str:
        environment = {**deployment.environment, **more}
        return ran(sys.executable, "-m", "processor", *arguments, into=sources, **environment)

    fold(ROOT, {"coupon": "TEN"})
    fold(copy, {"locale": "fr"}, {"identifiers": ["phone"]})
    session = json.loads(processor(copy, "sessions", "get", "1:a", "--json"))
    assert (session["version"], session["coupon"], session["locale"]) == (3, "TEN", "fr")
    assert re.search(r"^locale +fr *$", processor(copy, "sessions", "get", "1:a"), re.MULTILINE)
    fold(copy, {"state": "closed"}, {"locale": ""})
    letter = json.loads(processor(copy, "dead-letters", "list", "--json"))
    assert letter["reason"] == "session-not-open"
    if codec == "compiled" or FAST is None:  # they try fastavro, too
        ran(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *OWN_TESTS, into=copy)
