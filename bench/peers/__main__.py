"""`python -m bench.peers`: the session processor beside its peers, in one run, as one table."""

import gc
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from confluent_kafka import KafkaException
from rich.console import Console

from bench.figures import Figures
from bench.machine import machine
from bench.peers.check import difference, output, sample
from bench.peers.measure import cost, live
from bench.peers.roster import PEERS, NotHereError, Peer
from bench.peers.table import COLUMNS, table
from bench.service import Place
from bench.traffic import fill
from processor.demo.lean import lean_updates
from processor.local import stack

_KINDS = ("cpu_us_per_event", "events_per_second", "peak_rss_mb")


def main(
    *,
    updates: Annotated[int, typer.Option(min=10_000, help="Updates in the topic.")] = 600_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often all peers take their turn.")] = 2,
    seconds: Annotated[int, typer.Option(min=1, help="How long a peer is counted a turn.")] = 12,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each topic.")] = 4,
    only: Annotated[
        list[str] | None, typer.Option("--peer", help="Only this one; may be repeated.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the peers' output instead, field by field.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Start a Kafka and a Valkey, give each peer its turns, and print what each costs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [each for each in PEERS if not only or each.name in only]
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        if check:
            _check(Path(name), chosen, partitions)
            return
        found = compared(
            Path(name),
            peers=chosen,
            updates=updates,
            rounds=rounds,
            seconds=seconds,
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
    updates: int = 600_000,
    rounds: int = 2,
    seconds: float = 12,
    partitions: int = 4,
) -> dict[str, Any]:
    """Measure the peers on servers of their own; those that cannot be here are told, with why."""
    absent, present = _prepared(peers)
    with _servers(directory, partitions) as place:
        figures = measured(present, place, updates, rounds, seconds)
    return {"peers": figures, "not_measured": absent}


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
        _say(f"preparing {peer.title}")
        try:
            peer.prepare()
        except NotHereError as why:
            absent[peer.name] = str(why)
        else:
            present.append(peer)
    return absent, present


def measured(
    peers: Sequence[Peer], place: Place, updates: int, rounds: int, seconds: float
) -> dict[str, Figures]:
    """Give the peers their turns one after another, round by round: noise hits all alike.

    A figure of several rounds is their median; memory is their highest.
    """
    _say(f"filling the topic with {updates} updates")
    place.create_topics()
    now = time.time_ns() // 1_000_000
    fill(place, lean_updates(updates, seed=1, start=now), lambda _: None)
    turns: dict[str, list[Figures]] = {peer.name: [] for peer in peers}
    for number in range(rounds):
        for peer in peers:
            _say(f"round {number + 1}: {peer.title}")
            own = place.again(f"{peer.name}-{number}")
            turns[peer.name] += _taken(partial(cost, peer, own, updates, seconds))
    figures = {name: _summary(found) for name, found in turns.items()}
    for peer in peers:
        _say(f"paced, then killed: {peer.title}")
        own = Place(
            place.bootstrap, place.redis_url, f"live-{peer.name}", place.partitions, place.directory
        )
        for found in _taken(partial(live, peer, own, int(seconds))):
            figures[peer.name] |= found
    return figures


def _taken(turn: Callable[[], Figures]) -> list[Figures]:
    """Return a turn's figures; a turn that fails is told, and the others still count."""
    try:
        return [turn()]
    except (RuntimeError, TimeoutError, KafkaException) as failed:
        _say(f"not measured: {failed}")
        return []


def _summary(turns: list[Figures]) -> Figures:
    found: Figures = dict.fromkeys(COLUMNS)
    for name in _KINDS:
        values = sorted(value for each in turns if (value := each[name]) is not None)
        if values:
            found[name] = values[-1] if name == "peak_rss_mb" else _median(values)
    return found


def _median(values: list[float]) -> float:
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def _check(directory: Path, peers: Sequence[Peer], partitions: int) -> None:
    """Compare each peer's output with the session processor's. Raises SystemExit(1)."""
    absent, present = _prepared(peers)
    for name, why in absent.items():
        print(f"{name}: not compared: {why}")
    updates = sample()
    wrong = False
    with _servers(directory, partitions) as place:
        place.create_topics()
        fill(place, updates, lambda _: None)
        ours = output(PEERS[0], place.again("check"), len(updates))
        count = sum(map(len, ours.values()))
        for peer in present:
            if peer is PEERS[0]:
                continue
            theirs = output(peer, place.again(f"check-{peer.name}"), len(updates))
            found = difference(ours, theirs)
            wrong = wrong or found is not None
            print(f"{peer.title}: {found or f'the same {count} snapshots'}")
    if wrong:
        raise SystemExit(1)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(main)
