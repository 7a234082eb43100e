"""Brokers, processes and Redis are taken away in turn: the output equals the oracle's, and what
stays holds on to nothing.
"""

import time
from pathlib import Path

from chaos.rounds import run
from chaos.scene import Servers
from chaos.soak import assert_flat, soak

from processor.local.cluster import LocalCluster
from processor.local.valkey import LocalValkey


def test_two_minutes_of_chaos_change_nothing(
    private_cluster: LocalCluster, private_valkey: LocalValkey, tmp_path: Path
) -> None:
    """`make chaos` goes on for longer. A new seed each time; it is printed."""
    seed = time.time_ns() % 1_000_000
    print(f"seed {seed}")  # noqa: T201  pytest shows it with a failure
    servers = Servers(private_cluster, private_valkey, tmp_path)
    # Other tests share the two cores: `make chaos` alone holds each partition to 30 seconds.
    run(servers, seed, 0, print, round_s=25, moves_within=120)


def test_what_restarts_leaves_nothing_behind(
    private_cluster: LocalCluster, private_valkey: LocalValkey, tmp_path: Path
) -> None:
    """`make soak` goes on for longer, and restarts brokers, too."""
    servers = Servers(private_cluster, private_valkey, tmp_path)
    assert_flat(soak(servers, time.time_ns() % 1_000_000, 20, print))
