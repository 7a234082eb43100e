"""`python -m bench.report`: measure all that docs/performance.md shows, and write it there.

What stands between a pair of markers is replaced, the rest is left as it is.
"""

import gc
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.figures import Figures, Size
from bench.formats import FORMATS
from bench.machine import machine
from bench.peers.table import markdown
from bench.peers.turns import compared
from bench.plot import draw, draw_generations, generations, points
from bench.scenarios import RATES, Scenario, measured
from bench.stages import CLOCKED

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
PLOTS = {
    Scenario.SIZE: (draw, PAGE.parent / "performance" / "size.svg"),
    Scenario.RETENTION: (draw_generations, PAGE.parent / "performance" / "retention.svg"),
}


def main(
    *,
    sessions: Annotated[int, typer.Option(min=1_000, help="The most sessions.")] = 1_000_000,
    updates: Annotated[int, typer.Option(min=1_000, help="Updates a scenario.")] = 200_000,
    peers: Annotated[bool, typer.Option(help="Measure the peers as well.")] = True,
    save: Annotated[Path | None, typer.Option(help="Keep all figures here, as JSON.")] = None,
) -> None:
    """Run every scenario and the peers, and rewrite the page's tables and its plot."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    compared_with: Mapping[str, Any] | None = None
    if peers:
        with tempfile.TemporaryDirectory(prefix="peers-") as name:
            compared_with = compared(Path(name))
        gc.collect()
        write({}, compared_with)  # what took minutes stands, whatever comes after
    figures = measured(list(Scenario), Size(updates, RATES, 15, 1, sessions), 4)
    if save is not None:
        save.write_text(json.dumps({"machine": machine(), "peers": compared_with, **figures}))
    write(figures, compared_with)


def write(figures: Mapping[str, Figures], compared_with: Mapping[str, Any] | None) -> None:
    """Rewrite the page and the plot from figures."""
    page = PAGE.read_text()
    for name, text in sections(figures, compared_with).items():
        page = replaced(page, name, text)
    PAGE.write_text(page)
    for scenario, (plot, target) in PLOTS.items():
        if scenario in figures:
            target.parent.mkdir(exist_ok=True)
            plot(figures[scenario], target)


def replaced(page: str, name: str, text: str) -> str:
    """Return the page with the text between this name's markers. Raises ValueError without them."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"docs/performance.md has no markers for {name}")
    return f"{before}{begin}{text}\n{end}{after}"


def sections(
    figures: Mapping[str, Figures], compared_with: Mapping[str, Any] | None
) -> dict[str, str]:
    """Return what stands between the markers, by their names."""
    found = {"machine": _machine()}
    if compared_with is not None:
        found["peers"] = markdown(compared_with["peers"], compared_with["not_measured"])
    if Scenario.STAGES in figures:
        found["stages"] = _stages(figures[Scenario.STAGES])
    if Scenario.SIZE in figures:
        found["size"] = _growth(figures[Scenario.SIZE])
    if Scenario.RETENTION in figures:
        found["retention"] = _generations(figures[Scenario.RETENTION])
    if Scenario.FORMATS in figures:
        found["formats"] = _formats(figures[Scenario.FORMATS])
    apart = {Scenario.STAGES, Scenario.SIZE, Scenario.RETENTION, Scenario.FORMATS}
    rest = {name: each for name, each in figures.items() if name not in apart}
    if rest:
        found["scenarios"] = _scenarios(rest)
    return found


def _machine() -> str:
    told = " · ".join(f"{name} {value}" for name, value in machine().items() if value)
    return f"Measured on {datetime.now(UTC):%Y-%m-%d}: {told}."


def _stages(figures: Figures) -> str:
    lines = ["| stage | CPU µs an event |", "|---|---:|"]
    order = [*CLOCKED, "rest_of_the_loop", "threads_of_librdkafka"]
    for name in order:
        value = figures[f"cpu_us_per_event.{name}"]
        lines.append(f"| {name.replace('_', ' ')} | {_number(value)} |")
    total = sum(value or 0 for value in figures.values())
    return "\n".join([*lines, f"| together | {_number(total)} |"])


def _formats(figures: Figures) -> str:
    lines = [
        "| format | CPU µs an event | events/s | CPU µs, fastavro | events/s, fastavro |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, told in FORMATS.items():
        cells = [
            _number(figures.get(f"{figure}.{name}.{codec}"))
            for codec in ("compiled", "fastavro")
            for figure in ("cpu_us_per_event", "events_per_second")
        ]
        lines.append(f"| {told} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _growth(figures: Figures) -> str:
    lines = [
        "| sessions | CPU µs an event | events/s | process, peak MB | Redis, MB |",
        "|---:|---:|---:|---:|---:|",
    ]
    for sessions in points(figures, "redis_mb."):
        cells = [
            _number(figures[f"{name}.{sessions}_sessions"])
            for name in ("cpu_us_per_event", "events_per_second", "peak_rss_mb", "redis_mb")
        ]
        lines.append(f"| {sessions:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _generations(figures: Figures) -> str:
    lines = [
        "| generation | sessions | Redis, MB | output, MB | profiles | Redis, MB | topic, MB |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for number in generations(figures, "sessions"):
        names = "sessions", "redis_sessions_mb", "output_mb", "profiles", "redis_claims_mb"
        cells = [
            _number(figures[f"{name}.generation_{number}"]).removesuffix(".0")
            for name in (*names, "claims_topic_mb")
        ]
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _scenarios(figures: Mapping[str, Figures]) -> str:
    lines = ["| scenario | figure | value |", "|---|---|---:|"]
    for scenario, found in figures.items():
        for name, value in found.items():
            lines.append(f"| {scenario} | `{name}` | {_number(value)} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,.1f}"


if __name__ == "__main__":
    typer.run(main)
