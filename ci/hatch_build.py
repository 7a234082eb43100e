"""Hatchling's hook for wheels: puts the bill of materials into the one that `ci/dist.sh` builds.

`SESSION_PROCESSOR_SBOM` is its path. Without it a wheel has none, as one that is built at install.
"""

import os
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SbomHook(BuildHookInterface):  # type: ignore[misc]  # there in a build alone
    """Adds the file as PEP 770 has it, under `.dist-info/sboms/`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  given
        """Name the file to Hatchling; called before a wheel is built."""
        if sbom := os.environ.get("SESSION_PROCESSOR_SBOM"):
            build_data["sbom_files"].append(sbom)
