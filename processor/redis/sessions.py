"""The session cache on a server."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any, Final

from processor.ports.sessions import CacheLost, CacheUnavailable, Stamp, Want, Write
from processor.redis import scripts
from processor.redis.connection import Call, Server
from processor.redis.faults import CacheFull
from processor.redis.keys import CHECKPOINT, Keys
from processor.redis.links import Argument
from processor.redis.scripts import Script

_RACES: Final = 5
"""How often another process may change a partition between a question and the script after it."""


class RedisSessionCache:
    """A SessionCache. Generations are random names: one that was lost never comes again.

    A value that the limit of `load` cuts off may have been read by the server, 49 at most.
    """

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    def read(self, partition: int) -> Stamp | None:
        """Return what stands, or None where the pointer, the hash or its checkpoint is absent."""
        pointer, before = self._keys.current(partition), ""
        while (generation := self._named(pointer)) not in {"", before}:
            name = self._keys.sessions(partition, generation)
            (checkpoint,) = self._server.ask(("HGET", name, CHECKPOINT))
            if checkpoint is not None:
                return Stamp(generation, checkpoint)
            before = generation  # it is lost, or a flip came between: then another is named now
        return None

    def load(self, wants: Mapping[int, Want], limit: int) -> dict[int, list[bytes | None]]:
        """Return the values of each partition's keys as the port obliges."""
        loaded = self._run(
            scripts.LOAD,
            {
                partition: Call(self._names(partition, stamp), [*stamp, limit, *keys])
                for partition, (stamp, keys) in wants.items()
            },
        )
        _raise_lost(loaded)
        return loaded

    def write(self, writes: Mapping[int, Write]) -> None:
        """Write each partition's snapshots and checkpoint as the port obliges."""
        calls = {
            partition: Call(self._names(partition, write.stamp)[::-1], _write_arguments(write))
            for partition, write in writes.items()
        }
        _raise_lost(self._run(scripts.WRITE, calls))

    def check(self, stamps: Mapping[int, Stamp]) -> frozenset[int]:
        """Return the partitions whose stamp does not stand, in one round trip."""
        calls = {each: Call(self._names(each, stamp), stamp) for each, stamp in stamps.items()}
        return _lost(self._run(scripts.CHECK, calls))

    def begin(self, partition: int, checkpoint: bytes) -> Stamp:
        """Return the stamp of a fresh, empty generation that is not the current one."""
        pointer, newest = self._keys.current(partition), self._keys.latest(partition)
        for _ in range(_RACES):
            current, latest = self._named(pointer), self._named(newest)
            fresh = token_hex(8)
            names = [pointer, newest, self._keys.sessions(partition, fresh)]
            if latest and latest != current:
                names.append(self._keys.sessions(partition, latest))
            call = Call(names, [current, latest, fresh, checkpoint])
            if self._server.run(scripts.BEGIN, [call]) == [1]:
                return Stamp(fresh, checkpoint)
        raise CacheUnavailable(f"others keep changing the cache of partition {partition}")

    def drop_unfinished(self, partition: int) -> None:
        """Unlink what an unfinished attempt left beside a current generation."""
        names = [self._keys.current(partition), self._keys.latest(partition)]
        found = self._server.ask(*(("GET", name) for name in names))
        current, latest = ((each or b"").decode(errors="replace") for each in found)
        if current and latest not in {"", current}:
            names.append(self._keys.sessions(partition, latest))
            self._server.run(scripts.DROP_UNFINISHED, [Call(names, [current, latest])])

    def fill(self, partition: int, write: Write) -> None:
        """Write into a generation that is not current yet, as the port obliges."""
        name = self._keys.sessions(partition, write.stamp.generation)
        calls = {partition: Call([name], _write_arguments(write))}
        try:
            answers = self._run(scripts.WRITE, calls)
        except CacheFull:
            if not self._made_room(partition, write.stamp):
                raise
            answers = self._run(scripts.WRITE, calls)
        _raise_lost(answers)

    def flip(self, partition: int, stamp: Stamp, checkpoint: bytes) -> Stamp:
        """Make the generation current under a new checkpoint, then unlink the former one."""
        names = self._names(partition, stamp)
        for _ in range(_RACES):
            former = self._named(names[0])
            unlinked = [former] if former not in {"", stamp.generation} else []
            hashes = (self._keys.sessions(partition, each) for each in unlinked)
            call = Call([*names, *hashes], [former, *stamp, checkpoint])
            answers = self._run(scripts.FLIP, {partition: call})
            if answers[partition] != b"again":
                _raise_lost(answers)
                return Stamp(stamp.generation, checkpoint)
        raise CacheUnavailable(f"others keep changing the cache of partition {partition}")

    def _made_room(self, partition: int, stamp: Stamp) -> bool:
        """Unlink the current generation beside the one that is filled; return whether one stood.

        It is of no use to an owner any more. Its memory is free a moment later: where that is too
        late for this attempt, the next one has it.
        """
        names = self._names(partition, stamp)
        former = self._named(names[0])
        if former in {"", stamp.generation}:
            return False
        names.append(self._keys.sessions(partition, former))
        call = Call(names, [former, stamp.checkpoint])
        return self._server.run(scripts.MAKE_ROOM, [call]) == [1]

    def _named(self, key: str) -> str:
        """Return the generation that a key names, empty where it is absent."""
        (generation,) = self._server.ask(("GET", key))
        return (generation or b"").decode(errors="replace")

    def _run(self, script: Script, calls: Mapping[int, Call]) -> dict[int, Any]:
        """Return the script's answer for each partition, in one round trip."""
        return dict(zip(calls, self._server.run(script, list(calls.values())), strict=True))

    def _names(self, partition: int, stamp: Stamp) -> list[str]:
        return [self._keys.current(partition), self._keys.sessions(partition, stamp.generation)]


def _write_arguments(write: Write) -> list[Argument]:
    if CHECKPOINT in write.snapshots:
        raise ValueError("an empty record key would overwrite the checkpoint")
    pairs: list[Argument] = []
    deleted: list[Argument] = []
    for key, snapshot in write.snapshots.items():
        if snapshot is None:
            deleted.append(key)
        else:
            pairs += (key, snapshot)
    return [*write.stamp, write.checkpoint, len(pairs), *pairs, *deleted]


def _lost(answers: Mapping[int, object]) -> frozenset[int]:
    return frozenset(partition for partition, answer in answers.items() if answer is None)


def _raise_lost(answers: Mapping[int, object]) -> None:
    if lost := _lost(answers):
        raise CacheLost(lost)
