"""Sending the commands of an erasure, and waiting until the service has passed them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from processor.core.command import MAX_PROFILES, SessionCommand
from processor.erasure.discovery import Target
from processor.erasure.ids import application_of
from processor.errors import Unavailable
from processor.ports.clock import Clock
from processor.ports.commands import Commands
from processor.ports.log import Coordination, LogUnavailable, NotStable

_FLUSH_S: Final = 60.0
_AGAIN_S: Final = 0.2
_MAX_BYTES: Final = 64 * 1024
"""Of profiles in each list of a command: a topic may take no records above a megabyte."""


def commands_of(
    targets: Iterable[Target], now_ms: int, fresh: Callable[[], str]
) -> Iterator[tuple[int, SessionCommand]]:
    """Yield each command with its input partition.

    A session with more profiles than a command may name, or with long ones, has several: the first
    one ends it, the others find its claims. `fresh` returns a name that no command ever had.
    """
    for target in targets:
        application = application_of(target.key)
        integration = _id_of(target.key)
        parts = _parts(target.forget), _parts(target.release)
        lists: list[tuple[list[str], list[str]]] = [*zip_longest(*parts, fillvalue=[])]
        for partition in target.partitions:
            for forget, release in lists or [([], [])]:
                yield (
                    partition,
                    SessionCommand(
                        fresh(),
                        now_ms,
                        application,
                        integration,
                        "erase",
                        forget=forget,
                        release=release,
                    ),
                )


def send(sender: Commands, commands: Iterable[tuple[int, SessionCommand]]) -> dict[int, int]:
    """Send them all; return, by partition, the input offset behind the last one.

    Raises what `Commands` does: then some may have been sent, and all may be sent once more.
    """
    for partition, command in commands:
        sender.send(partition, command)
    return sender.flush(_FLUSH_S)


def left_to_pass(coordination: Coordination, behind: Mapping[int, int]) -> list[int]:
    """Return the partitions in which the service has not passed the commands. Asks Kafka."""
    left = []
    for partition, offset in behind.items():
        try:
            found = coordination.committed(partition, stable=True)
        except (NotStable, LogUnavailable):
            left.append(partition)
        else:
            if found is None or found.offset < offset:
                left.append(partition)
    return left


def await_passed(
    coordination: Coordination, behind: Mapping[int, int], clock: Clock, seconds: float
) -> None:
    """Return once the service has passed all commands. Raises Unavailable after so long."""
    start = clock.monotonic()
    while left := left_to_pass(coordination, behind):
        if clock.monotonic() - start >= seconds:
            raise not_passed(left, f"not passed after {seconds:g} s")
        clock.wait(_AGAIN_S)


def not_passed(left: Sequence[int], how: str) -> Unavailable:
    """Return the error that tells of it."""
    partitions = ", ".join(map(str, sorted(left)))
    return Unavailable(
        f"the commands were sent, and those of partition {partitions} are {how}",
        hint="does `session-processor run` run, with these settings, and is no partition halted? "
        "Nothing needs to be sent again: once the service has passed them, "
        "`session-processor sessions erase --verify` goes on from the report",
    )


def _parts(profiles: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for each in map(_id_of, profiles):
        bytes_of = len(each.encode())
        if part and (len(part) == MAX_PROFILES or size + bytes_of > _MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(each)
        size += bytes_of
    if part:
        yield part


def _id_of(key: str) -> str:
    return key.partition(":")[2]
