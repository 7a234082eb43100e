"""`python -m bench`: what the service costs on this machine. Nothing here passes or fails."""

import json
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.figures import Figures, Size
from bench.machine import machine
from bench.scenarios import RATES, Scenario, measured


def main(
    *,
    updates: Annotated[int, typer.Option(min=1_000, help="Updates in the topic.")] = 200_000,
    rate: Annotated[
        list[int] | None, typer.Option(min=1, help="Updates a second for latency; may be repeated.")
    ] = None,
    seconds: Annotated[int, typer.Option(min=1, help="How long latency is measured.")] = 15,
    sessions: Annotated[
        int, typer.Option(min=1_000, help="The most sessions for size; 5000000 takes minutes.")
    ] = 1_000_000,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each topic.")] = 4,
    seed: Annotated[int, typer.Option(help="The stream's seed.")] = 1,
    scenario: Annotated[
        list[Scenario] | None, typer.Option(help="Only this one; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Start a Kafka and a Valkey, run the service as a process, and print what it costs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    size = Size(updates, tuple(rate or RATES), seconds, seed, sessions)
    scenarios = scenario or list(Scenario)
    figures = measured(scenarios, size, partitions)
    answer = {"machine": machine(), "run": {**vars(size), "partitions": partitions}, **figures}
    if as_json:
        print(json.dumps(answer))
    else:
        _show(figures)
    if len(figures) < len(set(scenarios)):
        raise typer.Exit(1)


def _show(figures: dict[str, Figures]) -> None:
    caption = " · ".join(f"{name} {value}" for name, value in machine().items())
    table = Table(title="Session processor", caption=caption)
    table.add_column("scenario")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for scenario, found in figures.items():
        for name, value in found.items():
            table.add_row(scenario, name, "not measured" if value is None else f"{value:,.1f}")
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
