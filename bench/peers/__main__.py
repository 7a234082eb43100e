"""`python -m bench.peers`: the session processor beside its peers, in one run, as one table."""

import gc
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.machine import machine
from bench.peers.check import compare, sample
from bench.peers.roster import PEERS, NotHereError, Peer
from bench.peers.table import table
from bench.peers.turns import Extent, measured, say
from bench.service import Place
from bench.traffic import fill
from processor.local import stack


class Name(StrEnum):
    """The peers by name, in the order of the table."""

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


def compared(
    directory: Path,
    *,
    peers: Sequence[Peer] = PEERS,
    extent: Extent = Extent(),  # noqa: B008  it cannot be changed
    partitions: int = 4,
) -> dict[str, Any]:
    """Measure the peers on servers of their own; those that have no figures are told, with why."""
    absent, present = _prepared(peers)
    with _servers(directory, partitions) as place:
        results = measured(present, place, extent)
    return {"peers": results.figures, "not_measured": absent | results.failed}


@contextmanager
def _servers(directory: Path, partitions: int) -> Iterator[Place]:
    try:
        up = stack.up(directory / "servers", kafka_port=0, valkey_port=0)
        yield Place(up.bootstrap_servers, up.redis_url, "peers", partitions, directory)
    finally:
        gc.collect()  # clients in cycles would log that their broker went away
        stack.down(directory / "servers")


def _prepared(peers: Sequence[Peer]) -> tuple[dict[str, str], list[Peer]]:
    """Build what is built; return why some cannot be here, and the others."""
    absent, present = {}, []
    for peer in peers:
        say(f"preparing {peer.title}")
        try:
            peer.prepare()
        except NotHereError as why:
            absent[peer.name] = str(why)
        else:
            present.append(peer)
    return absent, present


def _check(directory: Path, peers: Sequence[Peer], partitions: int) -> None:
    """Compare each peer's output with the session processor's. Raises SystemExit(1)."""
    absent, present = _prepared(peers)
    for name, why in absent.items():
        print(f"{name}: not compared: {why}")
    updates = sample()
    with _servers(directory, partitions) as place:
        place.create_topics()
        fill(place, updates, lambda _: None)
        ours, *others = present
        if not compare(ours, others, place, len(updates)):
            raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
