"""Figures as plots; the same figures give the same bytes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import Figures

_COST = "cpu_us_per_event."
_MEMORY = "peak_rss_mb."
_UNIT = "_sessions"


def points(figures: Figures, prefix: str) -> Mapping[int, float]:
    """Return a figure of the scenario `size` by the number of sessions."""
    return {
        int(name.removeprefix(prefix).removesuffix(_UNIT)): value
        for name, value in figures.items()
        if name.startswith(prefix) and name.endswith(_UNIT) and value is not None
    }


def generations(figures: Figures, name: str) -> Mapping[int, float]:
    """Return a figure of the scenario `retention` by the number of the generation."""
    prefix = f"{name}.generation_"
    return {
        int(each.removeprefix(prefix)): value
        for each, value in figures.items()
        if each.startswith(prefix) and value is not None
    }


def draw(figures: Figures, target: Path) -> None:
    """Plot how cost grows with the number of sessions."""
    with _panels("size", target) as (cost, memory):
        for axes, prefix, title in (
            (cost, _COST, "CPU µs per event"),
            (memory, _MEMORY, "process memory, peak MB"),
        ):
            found = points(figures, prefix)
            axes.plot(list(found), list(found.values()), marker="o")
            axes.set_xscale("log")
            axes.set_xlabel("sessions in Redis")
            axes.set_title(title)


def draw_generations(figures: Figures, target: Path) -> None:
    """Plot what is left of generations of sessions that retention ended."""
    with _panels("retention", target) as (redis, kafka):
        for axes, title, lines in (
            (redis, "Redis, MB", {"redis_sessions_mb": "sessions", "redis_claims_mb": "claims"}),
            (kafka, "topics, MB", {"output_mb": "output", "claims_topic_mb": "claims"}),
        ):
            for name, label in lines.items():
                found = generations(figures, name)
                axes.plot(list(found), list(found.values()), marker="o", label=label)
            axes.set_xlabel("generation")
            axes.set_title(title)
            axes.legend()


@contextmanager
def _panels(salt: str, target: Path) -> Iterator[tuple[Any, Any]]:
    """Yield the axes of two panels side by side, which are then written."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = salt
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text: the file is small
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4))
    yield panels[0], panels[1]
    for axes in panels:
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
