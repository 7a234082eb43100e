"""What the programs of this folder share: their arguments, and servers of their own."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from chaos.scene import Servers

from processor.local.cluster import LocalCluster
from processor.local.valkey import LocalValkey

Say = Callable[[str], None]
Result = TypeVar("Result")


def on_own_servers(
    name: str, doc: str, minutes: float, play: Callable[[Servers, int, float, Say], Result]
) -> tuple[Result, Say]:
    """Have `play` disturb fresh servers, by a seed, for so many seconds; return what it returns.

    `minutes` is how long, unless the command line says otherwise; lines begin with the time.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--minutes", type=float, default=minutes)
    asked = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} {text}", flush=True)  # noqa: T201  a program's output

    directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    say(f"seed {asked.seed}; logs in {directory}")
    cluster = LocalCluster(directory / "kafka")
    cluster.launch()
    valkey = LocalValkey.start(directory / "valkey")
    try:
        return play(Servers(cluster, valkey, directory), asked.seed, asked.minutes * 60, say), say
    finally:
        cluster.kill()
        valkey.kill()
