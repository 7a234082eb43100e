"""Runs `session-processor`, killing it with SIGKILL at a chosen point of a batch.

Arguments: the point, which time it is passed (from 1), then the command line. The points:

- `before-offsets`: the batch is produced and flushed, its offsets are not sent.
- `before-commit`: the offsets are sent, the transaction is not committed.
- `before-store`: the transaction is committed, Redis is not written.
- `after-store`: Redis is written, and the loop does not know it yet.
- `after-claims`: claims are taken in Redis, nothing is produced.
- `in-restore`: a rebuild has written part of a generation.

And of a transaction of `dead-letters redrive`:

- `redrive-before-offsets`: the letters are produced and flushed, the positions are not sent.
- `redrive-before-commit`: the positions are sent, the transaction is not committed.
- `redrive-after-commit`: the transaction is committed, and the process does not know it yet.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from processor.cli.main import main
from processor.kafka import producer
from processor.ports.log import Outgoing
from processor.redis.claims import RedisClaims
from processor.redis.sessions import RedisSessionCache

POINTS = ("before-offsets", "before-commit", "before-store", "after-store", "after-claims")

REDRIVE_POINTS = ("redrive-before-offsets", "redrive-before-commit", "redrive-after-commit")


class Countdown:
    def __init__(self, times: int) -> None:
        self._left = times

    def pass_by(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _around(target: Any, name: str, before: Callable[..., None], after: Callable[[], None]) -> None:
    original = getattr(target, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before(*args)
        answer = original(*args, **kwargs)
        after()
        return answer

    setattr(target, name, wrapped)


def _around_redrive(point: str, countdown: Countdown) -> None:
    module: Any = producer
    original = module.persist
    step = "sending offsets" if point == "redrive-before-offsets" else "committing"

    def persist(call: object, doing: str, *rest: object) -> Any:
        if doing == step and point != "redrive-after-commit":
            countdown.pass_by()
        answer = original(call, doing, *rest)
        if doing == step and point == "redrive-after-commit":
            countdown.pass_by()
        return answer

    module.persist = persist


def _nothing(*_args: object) -> None:
    pass


def sabotage(point: str, times: int) -> None:
    countdown = Countdown(times)
    produced = [False]

    def note(_producer: object, records: Sequence[Outgoing]) -> None:
        produced[0] = produced[0] or bool(records)

    def at_step(step: str) -> Callable[..., None]:
        def before(_call: object, doing: str, *_rest: object) -> None:
            # A takeover commits too, but produces nothing: only batches count.
            if doing == step and produced[0]:
                countdown.pass_by()
            if doing == "committing":
                produced[0] = False

        return before

    if point in REDRIVE_POINTS:
        _around_redrive(point, countdown)
        return
    _around(producer.TransactionalProducer, "send", note, _nothing)
    now = countdown.pass_by
    places: dict[str, tuple[Any, str, Callable[..., None], Callable[[], None]]] = {
        "before-offsets": (producer, "persist", at_step("sending offsets"), _nothing),
        "before-commit": (producer, "persist", at_step("committing"), _nothing),
        "before-store": (RedisSessionCache, "write", lambda *_: now(), _nothing),
        "after-store": (RedisSessionCache, "write", _nothing, now),
        "after-claims": (RedisClaims, "take", _nothing, now),
        "in-restore": (RedisSessionCache, "fill", _nothing, now),
    }
    _around(*places[point])


if __name__ == "__main__":
    sabotage(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
