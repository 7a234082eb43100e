"""What a figure was measured on, and of which commit."""

import os
import platform
import subprocess

import psutil  # type: ignore[import-untyped]  # it ships no types

from bench.service import CODEC
from processor import __version__
from processor.avro.choice import chosen
from processor.avro.schemas import load_schemas
from processor.config import Settings


def machine() -> dict[str, str | int | float]:
    """Return what tells one run from another."""
    return {
        "cores": os.cpu_count() or 0,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "version": __version__,
        "commit": _commit(),
        "codec": chosen(Settings(codec=os.environ.get(CODEC, "auto")).codec, load_schemas()).name,  # type: ignore[arg-type]  # it validates
    }


def _commit() -> str:
    """Return the checkout's commit, with a plus where it has changes; empty outside a checkout."""
    try:
        asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
