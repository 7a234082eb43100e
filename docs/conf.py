"""The documents as a site: Markdown as it stands in the repository, by Sphinx and MyST."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "Session processor"
copyright = "the authors of the session processor, Apache-2.0"  # noqa: A001  Sphinx's name
version = release = tomllib.loads((ROOT / "codec/pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "contract/README.md",
    "docs/**.md",
    "examples/README.md",
]
html_theme = "furo"
html_title = f"Session processor {release}"
html_extra_path = ["site"]

# Anchors of headings are those of the forge that shows the same files.
myst_heading_anchors = 4
myst_fence_as_directive = ["toctree"]
suppress_warnings = [
    "misc.highlighting_failure",  # examples in JSON may end in an ellipsis
]
