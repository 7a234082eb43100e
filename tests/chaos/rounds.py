"""The chaos test as a program: seeded, printed, as long as one likes.

    .venv/bin/python tests/chaos/rounds.py --seed 7 --minutes 10

Rounds of about a minute, each with its own topics, group and prefix, the group protocols in turn.
In a round faults of brokers come one after another, others beside them, while updates arrive. At
its end output, dead letters and Redis must equal the oracle's, and no process may have ended by
itself.
"""

import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from threading import Thread
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.faults import GROUPS, Named
from chaos.program import Say, on_own_servers
from chaos.scene import Protocol, Scene, Servers, Traffic, scene

PROTOCOLS: Final[tuple[Protocol, ...]] = ("classic", "consumer")
_ROUND_S: Final = 60.0
MOVES_WITHIN_S: Final = 30.0


class Chaos:
    """Rounds on the same servers. Raises AssertionError, with the logs, where a round fails."""

    def __init__(self, servers: Servers, seed: int, say: Say, moves_within: float) -> None:
        self._servers = servers
        self._seed = seed
        self._say = say
        self._moves_within = moves_within
        self.faults: Counter[str] = Counter()
        self.updates = 0

    def round(self, number: int, seconds: float) -> None:
        """Disturb one deployment for about `seconds`, then see what it made."""
        random = Random(f"{self._seed}/{number}")
        protocol = PROTOCOLS[number % len(PROTOCOLS)]
        with scene(
            self._servers, random, protocol, number, moves_within=self._moves_within
        ) as made:
            self._say(f"round {number}: {len(made.members)} processes, protocol {protocol}")
            with Traffic(made.deployment, random.randint(0, 1 << 30)) as traffic:
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    self._disturb(made, random)
                made.assert_moves()
                traffic.stop()
            made.deployment.await_processed(120)
            made.assert_readable()
            for member in list(made.members):
                made.terminate(member)
            # What was lost while a partition was idle is rebuilt by whoever owns it next.
            last = made.deployment.run("--until-end")
            assert last.wait(120) == 0, last.log[-3000:]
            made.deployment.assert_exact()
            self.updates += traffic.sent
            self._say(f"round {number}: {traffic.sent:,} updates, equal to the oracle")

    def _disturb(self, made: Scene, random: Random) -> None:
        """One to three faults of different groups, side by side; all are over at the end."""
        groups = random.sample(sorted(GROUPS), random.randint(1, len(GROUPS)))
        chosen = [random.choice(GROUPS[group]) for group in groups]
        seeds = [random.randint(0, 1 << 30) for _ in chosen]
        errors: list[BaseException] = []

        def act(named: Named, seed: int) -> None:
            try:
                named.act(made, Random(seed))
            except BaseException as error:  # noqa: BLE001  raised below, on the round's thread
                errors.append(error)

        for named in chosen:
            self._say(f"  {named.name}")
            self.faults[named.name] += 1
        beside = [
            Thread(target=act, args=each, daemon=True) for each in zip(chosen, seeds, strict=True)
        ]
        for thread in beside:
            thread.start()
        for thread in beside:
            thread.join(180)
            assert not thread.is_alive(), "a fault does not end"
        if errors:
            raise errors[0]
        made.assert_nobody_ended()
        made.await_replicas()


def run(
    servers: Servers,
    seed: int,
    seconds: float,
    say: Say,
    *,
    round_s: float = _ROUND_S,
    moves_within: float = MOVES_WITHIN_S,
) -> Chaos:
    """Run rounds for about so long, at least one of each protocol."""
    chaos = Chaos(servers, seed, say, moves_within)
    began, number = time.monotonic(), 0
    while number < len(PROTOCOLS) or time.monotonic() - began < seconds:
        chaos.round(number, round_s)
        number += 1
    return chaos


def main() -> int:
    made, say = on_own_servers("chaos", __doc__, 10, run)
    say(f"{made.updates:,} updates; faults: {dict(made.faults.most_common())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
