"""The programs of `examples/` read what the processor published."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from any_json import any_json
from oracle import SCHEMAS
from readers.conftest import Published

from processor.cli.common.documents import session_json

SCHEMA = SCHEMAS / "CustomerSession.avsc"


def run(command: Sequence[str], where: Path) -> str:
    done = subprocess.run(
        command, cwd=where, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    return done.stdout


def copied(example: Path, to: Path) -> Path:
    """Return a copy to build in: what a tool leaves behind stays out of the checkout."""
    return Path(shutil.copytree(example, to / example.name))


def needs(*tools: str) -> pytest.MarkDecorator:
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(absent), reason=f"needs {', '.join(absent)}")


def _place(line: str) -> tuple[str, int]:
    """Return what a session's snapshots are told apart by."""
    session = any_json(line)
    return f"{session['applicationId']}:{session['integrationId']}", session["inputOffset"]


def assert_tells_all(published: Published, lines: str) -> None:
    """See that the lines tell every snapshot and every end."""
    assert published.ends
    # A text may have what Python takes for the end of a line.
    told = [line for line in lines.split("\n") if line]
    found = [any_json(line) for line in told]
    sessions = [line for line in told if "endedBy" not in any_json(line)]
    wanted = map(session_json, published.sessions)
    for said, expected in zip(
        sorted(sessions, key=_place), sorted(wanted, key=_place), strict=True
    ):
        assert_same_shape(said, expected)
    ends = [each for each in found if "endedBy" in each]
    told_ends = sorted((each["key"], each["endedBy"], each["version"]) for each in ends)
    assert told_ends == sorted(published.ends)


def latest(published: Published) -> Mapping[str, Any]:
    """Return a session with a cart, as it is now."""
    return max(
        (
            each
            for each in published.latest
            if each["cartItems"] and each["integrationId"].isascii()
        ),
        key=lambda each: each["version"],
    )


def test_python_without_a_registry(published: Published, examples: Path) -> None:
    program = str(examples / "python" / "read_topic.py")
    arguments = [published.deployment.bootstrap, published.deployment.names.sessions, str(SCHEMA)]
    assert_tells_all(published, run([sys.executable, "-B", program, *arguments], examples))


@needs("mvn", "javac")
def test_java_with_avros_own_library(published: Published, examples: Path, tmp_path: Path) -> None:
    where = copied(examples / "java", tmp_path)
    run(["mvn", "-q", "-B", "dependency:build-classpath", "-Dmdep.outputFile=classpath"], where)
    command = ["java", "-cp", (where / "classpath").read_text(), "ReadSessions.java"]
    said = run(
        [
            *command,
            published.deployment.bootstrap,
            published.deployment.names.sessions,
            str(SCHEMA),
        ],
        where,
    )
    assert_tells_all(published, said)


@needs("go")
def test_go_reads_a_session_from_redis(
    published: Published, examples: Path, tmp_path: Path
) -> None:
    where = copied(examples / "go", tmp_path)
    assert_reads(published, ["go", "run", "."], where)


@needs("node", "npm")
def test_node_reads_a_session_from_redis(
    published: Published, examples: Path, tmp_path: Path
) -> None:
    where = copied(examples / "node", tmp_path)
    run(["npm", "install", "--silent", "--no-package-lock"], where)
    assert_reads(published, ["node", "read-session.mjs"], where)


def assert_reads(published: Published, command: Sequence[str], where: Path) -> None:
    session = latest(published)
    key = f"{session['applicationId']}:{session['integrationId']}"
    said = run(
        [*command, published.deployment.redis_url, published.deployment.names.prefix, key], where
    )
    assert_same_shape(said, session_json(session))


def assert_same_shape(said: str, wanted: str) -> None:
    """See that a program's JSON is what the commands print, member by member."""
    found, expected = any_json(said), any_json(wanted)
    assert found == expected
    assert [*found] == [*expected]
    assert [[*item] for item in found["cartItems"]] == [[*item] for item in expected["cartItems"]]
