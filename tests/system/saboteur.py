"""Runs `session-processor`, killing it with SIGKILL at a chosen point of a batch.

Arguments: the point, which time it is passed (from 1), then the command line. The points:

- `before-offsets`: the batch is produced and flushed, its offsets are not sent.
- `before-commit`: the offsets are sent, the transaction is not committed.
- `before-store`: the transaction is committed, Redis is not written.
- `after-store`: Redis is written, and the loop does not know it yet.
- `after-claims`: claims are taken in Redis, nothing is produced.
- `after-give-up`: an erase has left claims without an owner, and nothing is produced.
- `before-removals`: an erase is committed, and its claims are not removed in Redis.
- `in-restore`: a rebuild has written part of a generation.

The batch that has the letter of an unreadable range, whichever it is:

- `unreadable-before-commit`, `unreadable-after-commit`: around its commit.

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
from processor.ports.log import Headers, Outgoing
from processor.ports.snapshots import NO_SNAPSHOTS, Snapshots
from processor.redis.claims import RedisClaims
from processor.redis.sessions import RedisSessionCache
from processor.stages.publish import OFFSET_TO_HEADER
from processor.stages.store import Store

POINTS = ("before-offsets", "before-commit", "before-store", "after-store", "after-claims")
ERASE_POINTS = ("after-give-up", "before-removals")

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


class Transactions:
    """Counts the transactions in which a record is sent that counts.

    A takeover's sends nothing, so it never counts.
    """

    def __init__(self, countdown: Countdown, counts: Callable[[Headers], bool]) -> None:
        self._countdown = countdown
        self._counts = counts
        self._counted = False
        self._committing = False

    def note_sent(
        self, _producer: object, records: Sequence[Outgoing], snapshots: Snapshots = NO_SNAPSHOTS
    ) -> None:
        headers = [*snapshots.headers, *(each.headers for each in records)]
        self._counted = self._counted or any(map(self._counts, headers))

    def before(self, step: str) -> Callable[..., None]:
        """Return what passes the point by before a step of a transaction that counts."""

        def before(_call: object, doing: str, *_rest: object) -> None:
            self._committing = doing == "committing" and self._counted
            if doing == step and self._counted:
                self._countdown.pass_by()
            if doing == "committing":
                self._counted = False

        return before

    def after_commit(self) -> None:
        if self._committing:
            self._countdown.pass_by()


def _tells_of_a_range(headers: Headers) -> bool:
    return any(name == OFFSET_TO_HEADER for name, _ in headers)


def sabotage(point: str, times: int) -> None:
    countdown = Countdown(times)
    if point in REDRIVE_POINTS:
        _around_redrive(point, countdown)
        return
    counts = _tells_of_a_range if point.startswith("unreadable") else (lambda _: True)
    sent = Transactions(countdown, counts)
    _around(producer.TransactionalProducer, "send", sent.note_sent, _nothing)
    now = countdown.pass_by
    places: dict[str, tuple[Any, str, Callable[..., None], Callable[[], None]]] = {
        "before-offsets": (producer, "persist", sent.before("sending offsets"), _nothing),
        "before-commit": (producer, "persist", sent.before("committing"), _nothing),
        "unreadable-before-commit": (producer, "persist", sent.before("committing"), _nothing),
        "unreadable-after-commit": (producer, "persist", sent.before(""), sent.after_commit),
        "before-store": (Store, "__call__", lambda *_: now(), _nothing),
        "after-store": (Store, "__call__", _nothing, now),
        "after-claims": (RedisClaims, "take", _nothing, now),
        "after-give-up": (RedisClaims, "give_up", _nothing, now),
        "before-removals": (RedisClaims, "finish_removals", lambda *_: now(), _nothing),
        "in-restore": (RedisSessionCache, "fill", _nothing, now),
    }
    _around(*places[point])


if __name__ == "__main__":
    sabotage(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
