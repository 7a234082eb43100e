"""Documents have their form, and name nothing that does not exist."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Why not the obvious way", "Consequences"]
_TEXTS = {".py", ".rs", ".toml", ".yml", ".yaml", ".sh", ".java", ".go", ".mjs", ".xml", ".in", ""}
_MADE = {"target", "dist", "node_modules", "__pycache__"}
_URL = re.compile(r"\b\w+://\S+")
_DOCUMENT = re.compile(r"(?:[\w.-]+/)*[\w-]+\.md\b|\bDESIG[N]\b")
_PATH = re.compile(r"`((?:processor|tests|codec|docs|ci|deploy|schemas)/[\w./-]*)`")


def _files(directory: Path = ROOT) -> Iterator[Path]:
    for path in directory.iterdir():
        if path.name.startswith(".") and path.name != ".ci":
            continue
        if not path.is_dir():
            yield path
        elif path.name not in _MADE:
            yield from _files(path)


DOCUMENTS = sorted(path for path in _files() if path.suffix == ".md")
SOURCES = sorted(path for path in _files() if path.suffix in _TEXTS)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def absent(text: str) -> list[str]:
    """Return the documents that a text names and that are not here."""
    there = ["/" + _name(path) for path in DOCUMENTS]
    named = _DOCUMENT.findall(_URL.sub("", text))
    bare = (re.sub(r"^(\.\.?/)+", "", each) for each in named)
    return [each for each in bare if not any(path.endswith("/" + each) for path in there)]


@cache
def anchors(path: Path) -> set[str]:
    """Return what a link into a document may name: its headings, as they are made anchors of."""
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def broken(document: Path) -> list[str]:
    """Return the links of a document that lead nowhere in the repository."""
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    return [link for link in links if "://" not in link and not _leads(document, link)]


def _leads(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_no_link_leads_nowhere(document: Path) -> None:
    assert broken(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_no_document_names_a_path_that_does_not_exist(document: Path) -> None:
    named = _PATH.findall(document.read_text())
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_nothing_names_a_document_that_does_not_exist() -> None:
    found = {_name(path): absent(path.read_text()) for path in [*SOURCES, *DOCUMENTS]}
    assert {path: named for path, named in found.items() if named} == {}


def test_what_does_not_exist_is_seen(tmp_path: Path) -> None:
    gone = "other" + ".md"
    assert absent(f"see docs/contract.md, contract.md, ../README.md, https://x.org/{gone}") == []
    assert absent(f"see docs/{gone}") == [f"docs/{gone}"]
    assert absent("see the DESIG" + "N, 3") == ["DESIG" + "N"]
    (document := tmp_path / "README.md").write_text(
        f"# A\n[a]({gone}) [b](#b) [c](#a) [d](README.md#a)"
    )
    assert broken(document) == [gone, "#b"]


@pytest.mark.parametrize("path", DECISIONS, ids=_name)
def test_a_decision_has_the_form(path: Path) -> None:
    text = path.read_text()
    number = int(path.name[:4])
    head = (
        rf"# {number}\. .+\n\nStatus: (accepted|replaced by \d+) · Date: \d{{4}}-\d\d-\d\d\n\n## "
    )
    assert re.match(head, text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_the_decisions_are_numbered_and_listed_with_their_titles() -> None:
    listed = re.findall(
        r"^(\d+)\. \[(.+)\]\((.+)\)$", (ROOT / "docs/adr/README.md").read_text(), re.MULTILINE
    )
    assert [int(number) for number, _, _ in listed] == list(range(1, len(DECISIONS) + 1))
    assert [path for _, _, path in listed] == [path.name for path in DECISIONS]
    for (number, title, _), path in zip(listed, DECISIONS, strict=True):
        assert path.read_text().startswith(f"# {number}. {title}\n")


def test_contributing_names_each_folder() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text()
    folders = [path.parent for path in (ROOT / "processor").glob("*/__init__.py")]
    assert [_name(each) for each in folders if f"| `{_name(each)}/` |" not in table] == []
