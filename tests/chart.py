"""The chart as helm renders it; run as a program, writes the plain manifests (`make manifests`)."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

DEPLOY: Final = Path(__file__).parents[1] / "deploy"
CHART: Final = DEPLOY / "helm" / "session-processor"
EXAMPLES: Final = sorted((DEPLOY / "helm" / "examples").glob("*.yaml"))
MANIFESTS: Final = DEPLOY / "kubernetes"
PROGRAM: Final = shutil.which("render-chart")
NAMESPACE: Final = "sessions"
_OF_HELM: Final = re.compile(
    r"^ *(?:helm\.sh/|app\.kubernetes\.io/managed-by:|checksum/).*\n", re.MULTILINE
)


class Rendering(NamedTuple):
    """What helm makes of the chart with one file of values; `templates` are texts by their file."""

    error: str
    lint: list[str]
    templates: dict[str, str]

    def objects(self) -> Iterator[Any]:
        """Yield each object."""
        for name, text in self.templates.items():
            if name.endswith(".yaml"):
                yield from (each for each in yaml.safe_load_all(text) if each is not None)

    def only(self, kind: str, component: str = "") -> Any:
        """Return the one object of a kind, and of a component where there are several."""
        label = "app.kubernetes.io/component"
        of_kind = [each for each in self.objects() if each["kind"] == kind]
        [found] = [
            each for each in of_kind if component in {"", each["metadata"]["labels"].get(label)}
        ]
        return found


def render(files: Sequence[Path], release: str = "session-processor") -> list[Rendering]:
    """Return what helm makes of the chart with each file of values."""
    assert PROGRAM, "there is no render-chart on the path: ci/tools.sh builds it"
    done = subprocess.run(
        [PROGRAM, CHART, release, NAMESPACE, *files],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [
        Rendering(
            each["error"],
            each["lint"],
            {name.rpartition("/")[2]: text for name, text in (each["templates"] or {}).items()},
        )
        for each in json.loads(done.stdout)
    ]


@cache
def examples() -> dict[str, Rendering]:
    """Return what helm makes of the chart with each example, by its name."""
    return {path.stem: made for path, made in zip(EXAMPLES, render(EXAMPLES), strict=True)}


def manifests() -> dict[str, str]:
    """Return the plain manifests by their file: what helm makes, without what is helm's own."""
    made = {}
    for name, text in examples()["manifests"].templates.items():
        if name.endswith(".yaml") and text.strip():
            plain = re.sub(r" +$", "", _OF_HELM.sub("", text), flags=re.MULTILINE)
            made[name] = f"# Made of the chart by `make manifests`.\n{plain.strip()}\n"
    return made


def _write() -> None:
    made = manifests()
    for path in MANIFESTS.glob("*.yaml"):
        path.unlink()
    for name, text in made.items():
        (MANIFESTS / name).write_text(text)


if __name__ == "__main__":
    _write()
