"""How commands answer: tables for people, JSON for programs; and what both are asked with."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import PaddingDimensions
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from processor.cli.common.given import Given
from processor.config import Settings
from processor.errors import ProcessorError
from processor.telemetry.visible import printable, printable_json, printable_lines

JSON_FLAG: Final = "--json"
Json = Annotated[bool, typer.Option(JSON_FLAG, help="Answer in JSON, one value a line.")]

_UNBOUNDED: Final = 10_000


def settings_from(ctx: typer.Context) -> Settings:
    """Return the settings; the logs are set up then. Raises ConfigError."""
    return given_to(ctx).load().settings


def given_to(ctx: typer.Context) -> Given:
    """Return what the command line says of the settings, not yet loaded."""
    given = ctx.find_root().obj
    if not isinstance(given, Given):
        raise TypeError("the root callback did not run")
    return given


def out() -> Console:
    """Return standard output; a table that goes to a file or a pipe is never cut."""
    width = None if sys.stdout.isatty() else _UNBOUNDED
    return _Screen(width=width, soft_wrap=True)


def err() -> Console:
    """Return standard error, for what is not the answer."""
    return _Screen(stderr=True, soft_wrap=True)


def emit(rows: Iterable[Mapping[str, object]], *, as_json: bool) -> None:
    """Print rows that have the same keys: one JSON object a line, or one table."""
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table(header_style="bold", box=None)
    for row in rows:
        if not table.columns:
            for name in row:
                table.add_column(name, overflow="fold")
        table.add_row(*(_text(value) for value in row.values()))
    out().print(table if table.columns else Text("none", style="dim"))


def emit_one(thing: Mapping[str, object], *, as_json: bool) -> None:
    """Print one thing: one JSON object, or a table with a line for each of its fields."""
    if as_json:
        print_json(thing)
        return
    rows = ((name, _text(value)) for name, value in thing.items())
    out().print(fields_table(rows, padding=(0, 1)))


def fields_table(
    rows: Iterable[tuple[str, RenderableType]], *, padding: PaddingDimensions = (0, 2, 0, 0)
) -> Table:
    """Return a table with a line for each name and value."""
    table = Table(show_header=False, box=None, padding=padding)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def print_json(value: object) -> None:
    """Print one JSON value as one line, at once, so that a reader of a pipe sees it."""
    print_text(json.dumps(value, ensure_ascii=False, default=str))


def print_text(text: str) -> None:
    """Print a JSON text in the same way; what a terminal would obey is escaped in it."""
    sys.stdout.write(printable_json(text) + "\n")
    sys.stdout.flush()


def note(text: str, *, as_json: bool = False) -> None:
    """Tell people, and no program, what happens."""
    if not as_json:
        err().print(printable_lines(text))


def progress_bar(*, as_json: bool = False) -> Progress:
    """Return a bar with count, rate and time left; silent for programs and off a terminal."""
    console = err()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        disable=as_json or not console.is_terminal,
    )


def tell(error: ProcessorError, *, as_json: bool) -> None:
    """Print an error and its hint to standard error."""
    if as_json:
        told = {
            "error": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "exit_code": error.exit_code,
        }
        sys.stderr.write(printable_json(json.dumps(told, ensure_ascii=False)) + "\n")
        return
    err().print(Text.assemble(("error: ", "bold red"), printable_lines(error.message)))
    if error.hint:
        err().print(Text.assemble(("hint: ", "bold"), printable_lines(error.hint)))


class _Screen(Console):
    """Prints no control character but its own, whatever it is given, and no other form of data."""

    def __init__(self, **more: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **more)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Yield what is to be printed."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable_lines(text), style, control)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="dim")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping | list | tuple):
        return printable(json.dumps(value, ensure_ascii=False, default=str))
    return printable(str(value))
