"""The image's lock files hold what the project asks for, each with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CODEC = tomllib.loads((ROOT / "codec" / "pyproject.toml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "deploy" / "image" / name).read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        *(("runtime.lock", each) for each in PROJECT["project"]["dependencies"]),
        *(("build.lock", each) for each in PROJECT["build-system"]["requires"]),
        *(("build.lock", each) for each in CODEC["build-system"]["requires"]),
    ],
)
def test_what_is_asked_for_is_locked(file: str, asked: str) -> None:
    wanted = Requirement(asked)
    assert locked(file)[wanted.name] in wanted.specifier, "run `make lock`"


@pytest.mark.parametrize("file", ["runtime.lock", "build.lock"])
def test_each_has_hashes(file: str) -> None:
    entries = re.split(
        r"^(?=\S+==)", (ROOT / "deploy" / "image" / file).read_text(), flags=re.MULTILINE
    )
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)
