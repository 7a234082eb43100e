"""The size of things: what a reader finds at the top, and how much stands in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import processor

ROOT = Path(processor.__file__).parent
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in ROOT.rglob("*.py")}
FILES_AT_THE_TOP = 5
LINES_OF_A_FILE = 300
LINES_OF_A_FUNCTION = 60


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Yield each function's name and its lines, the decorators' left out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_the_top_of_the_package_has_folders_and_a_few_files() -> None:
    files = [path.name for path in ROOT.iterdir() if path.is_file()]
    assert len(files) <= FILES_AT_THE_TOP, sorted(files)


def test_no_file_is_longer_than_a_reader_keeps_in_mind() -> None:
    lines = {name: len(source.splitlines()) for name, source in SOURCES.items()}
    assert {name: count for name, count in lines.items() if count > LINES_OF_A_FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        (name, function, lines)
        for name, source in SOURCES.items()
        for function, lines in functions(source)
        if lines > LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_a_functions_lines_are_counted_to_its_end() -> None:
    source = "@decorated\ndef f(\n    a,\n):\n    def g():\n        pass\n    return g\n"
    assert dict(functions(source)) == {"f": 6, "g": 2}
