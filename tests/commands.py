"""All commands there are: what the documentation is held against."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command


def commands(app: typer.Typer) -> Iterator[tuple[str, Any]]:
    """Yield each command that does something, with its path as it is typed."""
    yield from _below("session-processor", get_command(app))


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _below(f"{path} {name}", child)
