"""`python -m bench.peers`: the session processor beside its peers, in one run, as one table."""

import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.machine import machine
from bench.peers.check import compare, sample
from bench.peers.roster import PEERS, Peer
from bench.peers.table import table
from bench.peers.turns import Extent, compared, prepared
from bench.servers import servers
from bench.traffic import fill


class Name(StrEnum):
    """The peers by name, in the order of the table."""

    FLOOR = "floor"
    STREAMS = "streams"
    STREAMS_TUNED = "streams-tuned"
    QUIX = "quix"
    PLAIN = "plain"


def main(
    *,
    updates: Annotated[int, typer.Option(min=10_000, help="Updates in the topic.")] = 600_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often cost is measured.")] = 2,
    seconds: Annotated[int, typer.Option(min=1, help="How long a peer is counted a turn.")] = 10,
    minutes: Annotated[float, typer.Option(min=1, help="No turn begins after them.")] = 10,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each topic.")] = 4,
    only: Annotated[
        list[Name] | None,
        typer.Option("--only", help="Only this one beside the processor; may be repeated."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the peers' output instead, field by field.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Start a Kafka and a Valkey, give each peer its turns, and print what each costs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = {PEERS[0].name, *(only or Name)}
    chosen = [each for each in PEERS if each.name in wanted]
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        if check:
            _check(Path(name), chosen, partitions)
            return
        found = compared(
            Path(name),
            peers=chosen,
            extent=Extent(updates, rounds, seconds, minutes),
            partitions=partitions,
        )
    if as_json:
        print(json.dumps({"machine": machine(), **found}))
    else:
        Console().print(table(found["peers"], found["not_measured"]))


def _check(directory: Path, peers: Sequence[Peer], partitions: int) -> None:
    """Compare each peer's output with the session processor's. Raises SystemExit(1)."""
    absent, present = prepared([peer for peer in peers if peer.folds])
    for name, why in absent.items():
        print(f"{name}: not compared: {why}")
    updates = sample()
    with servers(directory, partitions, "peers") as place:
        place.create_topics()
        fill(place, updates, lambda _: None)
        ours, *others = present
        if not compare(ours, others, place, len(updates)):
            raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
