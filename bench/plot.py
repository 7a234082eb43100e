"""How cost grows with the number of sessions, as a plot."""

from collections.abc import Mapping
from pathlib import Path

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


def draw(figures: Figures, target: Path) -> None:
    """Write the plot; the same figures give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "size"
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text: the file is small
    from matplotlib import pyplot as plt

    figure, (cost, memory) = plt.subplots(1, 2, figsize=(9, 3.4))
    for axes, prefix, title in (
        (cost, _COST, "CPU µs per event"),
        (memory, _MEMORY, "process memory, peak MB"),
    ):
        found = points(figures, prefix)
        axes.plot(list(found), list(found.values()), marker="o")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("sessions in Redis")
        axes.set_title(title)
        axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
