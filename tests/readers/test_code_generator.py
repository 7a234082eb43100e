"""Java's code generator takes the shipped schemas as they lie in their folder."""

import json
from pathlib import Path
from typing import Any

import pytest
from oracle import SCHEMAS
from readers.test_examples import needs, run

NAMES = ("CustomerSession", "SessionCommand", "SessionUpdate")
TOGETHER = "1.12.1"
"""The first version of Avro that takes several files which define one type alike."""
APART = "1.11.4"
TYPES = {*NAMES, "CartItem", "State", "Command"}


def defined(part: Any) -> list[Any]:
    """Return all definitions of types with a name within a part of a schema."""
    if isinstance(part, list):
        return [found for each in part for found in defined(each)]
    if not isinstance(part, dict):
        return []
    own = [part] if {"type", "name"} < part.keys() and part["type"] in ("record", "enum") else []
    return own + [found for each in part.values() for found in defined(each)]


def test_a_type_of_one_name_is_defined_alike_in_each_file() -> None:
    """Its documentation too: which of the files a generated class is from makes no difference."""
    known: dict[str, Any] = {}
    for name in NAMES:
        for each in defined(json.loads((SCHEMAS / f"{name}.avsc").read_text())):
            assert known.setdefault(each["name"], each) == each
    assert known.keys() == TYPES


@needs("java", "mvn")
@pytest.mark.parametrize("version", [TOGETHER, APART])
def test_the_generator_makes_the_classes(tmp_path: Path, version: str) -> None:
    """Of the folder; a version before, of one file after another."""
    artifact = f"-Dartifact=org.apache.avro:avro-tools:{version}"
    where = f"-DoutputDirectory={tmp_path}"
    run(["mvn", "-q", "-B", "dependency:copy", artifact, where], tmp_path)
    jar = str(tmp_path / f"avro-tools-{version}.jar")
    given = [SCHEMAS] if version == TOGETHER else [SCHEMAS / f"{name}.avsc" for name in NAMES]
    for each in given:
        run(["java", "-jar", jar, "compile", "schema", str(each), str(tmp_path / "out")], tmp_path)
    made = {each.stem for each in (tmp_path / "out" / "sessions").glob("*.java")}
    assert made == TYPES
