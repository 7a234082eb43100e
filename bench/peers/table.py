"""One table of all peers, each figure with its ratio to the session processor's."""

from collections.abc import Iterable, Mapping

from rich.table import Table

from bench.figures import Figures
from bench.peers.crash import RATE
from bench.peers.roster import PEERS

COLUMNS = {
    "cpu_us_per_event": "CPU µs an event",
    "events_per_second": "events/s",
    "latency_p50_ms": f"p50 ms at {RATE:,}/s",
    "latency_p99_ms": f"p99 ms at {RATE:,}/s",
    "back_seconds": "s until back after SIGKILL",
    "peak_rss_mb": "peak MB",
}
FLOOR = "floor"
_AFTER = "after SIGKILL"
_ONE_DIGIT = 100


def rows(figures: Mapping[str, Figures], absent: Mapping[str, str]) -> Iterable[list[str]]:
    """Return a row a peer: its title, then each figure with how many times ours it is.

    Ours are told with how many times the floor's they are.
    """
    ours, floor = (figures.get(name, {}) for name in (PEERS[0].name, FLOOR))
    for peer in PEERS:
        if peer.name in figures:
            found = figures[peer.name]
            beside, of = (floor, "× the floor") if peer is PEERS[0] else (ours, "×")
            cells = [_cell(found.get(name), beside.get(name), of) for name in COLUMNS]
            yield [peer.title, *cells, _exactness(found) if peer.folds else ""]
        elif peer.name in absent:
            why = absent[peer.name].partition("\n")[0]
            yield [peer.title, f"not measured: {why}", *[""] * len(COLUMNS)]


def _exactness(found: Figures) -> str:
    missing, surplus = found.get("missing_after_kill"), found.get("surplus_after_kill")
    if missing is None or surplus is None:
        return "not measured"
    return f"{missing:,.0f} missing, {surplus:,.0f} too many" if missing or surplus else "exact"


def _cell(value: float | None, beside: float | None, of: str) -> str:
    if value is None:
        return "not measured"
    text = f"{value:,.1f}" if value < _ONE_DIGIT else f"{value:,.0f}"
    return f"{text} ({value / beside:.2g}{of})" if beside else text


def table(figures: Mapping[str, Figures], absent: Mapping[str, str]) -> Table:
    """Return the table as a terminal shows it: a column a peer, which is narrower."""
    shown = Table(
        title="The same job, side by side",
        caption="(n×): n times the processor's",
    )
    shown.add_column("")
    peers = list(rows(figures, absent))
    for title, *_ in peers:
        shown.add_column(title, justify="right")
    for place, title in enumerate((*COLUMNS.values(), _AFTER), 1):
        shown.add_row(title, *(peer[place] for peer in peers))
    return shown


def markdown(figures: Mapping[str, Figures], absent: Mapping[str, str]) -> str:
    """Return the table as documents hold it."""
    head = ["", *COLUMNS.values(), _AFTER]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows(figures, absent)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
