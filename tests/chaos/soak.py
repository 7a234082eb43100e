"""What a process holds on to, over time: traffic, members that restart, brokers that restart.

    .venv/bin/python tests/chaos/soak.py --minutes 30

Two processes stay, of which what they use is sampled: resident memory, file descriptors, threads;
and the keys in Redis. A third process restarts every few seconds, a broker every minute. After the
first tenth nothing of that may grow; at the end all is equal to the oracle's.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Final, NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.program import Say, on_own_servers
from chaos.scene import Scene, Servers, Traffic, scene

_SAMPLE_EVERY_S: Final = 2.0
_RESTART_EVERY_S: Final = 6.0
_BROKER_EVERY_S: Final = 60.0
_STAYS: Final = 2
CACHE_BYTES: Final = "2000000"
"""A record cache that is full within seconds: what it grows to is not what is looked for."""


class Sample(NamedTuple):
    """What is used at one time, over the processes that stay."""

    memory_mb: float
    descriptors: int
    threads: int
    redis_keys: int


ALLOWED: Final = Sample(memory_mb=6.0, descriptors=8, threads=4, redis_keys=8)
"""By how much the end may be above the beginning: a connection more or less is no growth."""


def growth(samples: Sequence[Sample]) -> Sample:
    """Return by how much the last quarter is above the first after a tenth, by their medians."""
    settled = samples[len(samples) // 10 :]
    quarter = max(1, len(settled) // 4)
    return Sample(
        *(
            median(last) - median(first)
            for first, last in zip(
                zip(*settled[:quarter], strict=True),
                zip(*settled[-quarter:], strict=True),
                strict=True,
            )
        )
    )


def assert_flat(samples: Sequence[Sample]) -> None:
    """Raise AssertionError naming what grew."""
    grown = growth(samples)
    too_much = [
        f"{name} by {by:.1f}, {allowed} allowed"
        for name, by, allowed in zip(Sample._fields, grown, ALLOWED, strict=True)
        if by > allowed
    ]
    assert not too_much, "grew: " + "; ".join(too_much)


def sample(made: Scene) -> Sample:
    """Return what the first processes of the scene and Redis hold now."""
    usages = [member.usage() for member in made.members[:_STAYS]]
    with made.redis() as client:
        keys = client.dbsize()
    memory, descriptors, threads = (sum(each) for each in zip(*usages, strict=True))
    return Sample(memory / 1e6, int(descriptors), int(threads), int(keys))


def soak(servers: Servers, seed: int, seconds: float, say: Say) -> list[Sample]:
    """Restart one member and one broker again and again; return the samples."""
    random = Random(seed)
    samples: list[Sample] = []
    settings = {"cache_bytes": CACHE_BYTES}
    with scene(
        servers, random, "classic", 0, moves_within=60.0, members=_STAYS + 1, **settings
    ) as made:
        with Traffic(made.deployment, seed) as traffic:
            began = time.monotonic()
            restart_at, broker_at = began + _RESTART_EVERY_S, began + _BROKER_EVERY_S
            while (now := time.monotonic()) < began + seconds:
                if now >= broker_at:
                    broker_at = now + _BROKER_EVERY_S
                    broker = servers.cluster.brokers[random.choice(list(servers.cluster.brokers))]
                    broker.stop()
                    broker.launch()
                    made.await_replicas()
                elif now >= restart_at:
                    made.terminate(made.members[_STAYS])
                    made.add_member()
                    restart_at = time.monotonic() + _RESTART_EVERY_S
                made.assert_nobody_ended()
                samples.append(sample(made))
                say("  ".join(f"{name} {v:,.0f}" for name, v in samples[-1]._asdict().items()))
                time.sleep(_SAMPLE_EVERY_S)  # the interval of the samples
            traffic.stop()
        made.deployment.await_processed(120)
        for member in list(made.members):
            made.terminate(member)
        made.deployment.assert_exact()
        say(f"{traffic.sent:,} updates, equal to the oracle")
    return samples


def main() -> int:
    samples, say = on_own_servers("soak", __doc__, 30, soak)
    say(f"growth after the first tenth: {growth(samples)}")
    assert_flat(samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
