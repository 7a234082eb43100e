"""The peers take turns, round by round, so that noise hits all alike."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from confluent_kafka import KafkaException

from bench.figures import Figures
from bench.lean import lean_updates
from bench.peers.crash import SETTLE_S, live
from bench.peers.measure import cost
from bench.peers.roster import PEERS, NotHereError, Peer
from bench.servers import servers
from bench.service import Place
from bench.traffic import fill

_COLD_BROKER_S = 60.0
"""How long the first peer's pace settles: by then the broker's JVM has compiled what a small
transaction takes, for all of them."""


class Extent(NamedTuple):
    """How much is measured: `seconds` a turn; no turn begins once `minutes` are over."""

    updates: int = 600_000
    rounds: int = 2
    seconds: float = 10
    minutes: float = 10


class Results(NamedTuple):
    """The figures by peer, and why a peer that fell over has none (or not all)."""

    figures: dict[str, Figures]
    failed: dict[str, str]


def compared(
    directory: Path,
    *,
    peers: Sequence[Peer] = PEERS,
    extent: Extent = Extent(),  # noqa: B008  it cannot be changed
    partitions: int = 4,
) -> dict[str, Any]:
    """Measure the peers on servers of their own; those that have no figures are told, with why."""
    absent, present = prepared(peers)
    with servers(directory, partitions, "peers") as place:
        results = measured(present, place, extent)
    return {"peers": results.figures, "not_measured": absent | results.failed}


def prepared(peers: Sequence[Peer]) -> tuple[dict[str, str], list[Peer]]:
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


def measured(peers: Sequence[Peer], place: Place, extent: Extent) -> Results:
    """Give every peer its turns: cost, then pace and kill, then cost again as often as is wanted.

    What comes first is what must not be left out when time is up. A peer that fails gets no
    further turn, and the others go on. A figure of several rounds is their median, memory their
    highest.
    """
    until = time.monotonic() + extent.minutes * 60
    say(f"filling the topic with {extent.updates} updates")
    place.create_topics()
    now = time.time_ns() // 1_000_000
    fill(place, lean_updates(extent.updates, seed=1, start=now), lambda _: None)
    found: dict[str, list[Figures]] = {peer.name: [] for peer in peers}
    failed: dict[str, str] = {}
    for doing, turn in _turns(place, extent):
        for peer in peers:
            if time.monotonic() >= until:
                say(f"time is up: no {doing}: {peer.title}")
                if not found[peer.name]:
                    failed.setdefault(peer.name, "time was up")
            elif peer.name not in failed:
                say(f"{doing}: {peer.title}")
                try:
                    found[peer.name].append(turn(peer))
                except (RuntimeError, TimeoutError, KafkaException) as error:
                    failed[peer.name] = str(error)
                    say(str(error))
    return Results({name: _together(each) for name, each in found.items() if each}, failed)


def say(what: str) -> None:
    """Tell whoever waits what is going on."""
    print(what, file=sys.stderr, flush=True)


Turn = Callable[[Peer], Figures]


def _turns(place: Place, extent: Extent) -> Iterable[tuple[str, Turn]]:
    def costs(number: int) -> Turn:
        def turn(peer: Peer) -> Figures:
            own = place.again(f"{peer.name}-{number}")
            return cost(peer, own, extent.updates, extent.seconds)

        return turn

    settles = chain([_COLD_BROKER_S], repeat(SETTLE_S))

    def paced(peer: Peer) -> Figures:
        name = f"live-{peer.name}"
        own = Place(place.bootstrap, place.redis_url, name, place.partitions, place.directory)
        return live(peer, own, extent.seconds, next(settles))

    yield "cost, round 1", costs(1)
    yield "paced, then killed", paced
    for number in range(2, extent.rounds + 1):
        yield f"cost, round {number}", costs(number)


def _together(turns: Iterable[Figures]) -> Figures:
    values: dict[str, list[float | None]] = {}
    for figures in turns:
        for name, value in figures.items():
            values.setdefault(name, []).append(value)
    found: Figures = {}
    for name, each in values.items():
        known = [value for value in each if value is not None]
        join = max if name == "peak_rss_mb" else median
        found[name] = join(known) if known else None
    return found
