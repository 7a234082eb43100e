"""Every copy of a session or a claim on a server, by the layout."""

import json
from collections.abc import Iterator
from typing import Final

from processor.redis.connection import Server
from processor.redis.keys import CHECKPOINT, Keys

_COUNT: Final = 1_000
_REMOVALS: Final = b"removals"


class RedisCopies:
    """A CachedCopies: goes through hashes with HSCAN, which the service itself never needs."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    def sessions(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield each record key with its snapshot, of the current generation and the last begun."""
        pointers = self._keys.current(partition), self._keys.latest(partition)
        named = self._server.ask(*(("GET", pointer) for pointer in pointers))
        for generation in dict.fromkeys(each.decode() for each in named if each):
            for field, value in self._fields(self._keys.sessions(partition, generation)):
                if field != CHECKPOINT:
                    yield field, value

    def claims(self) -> Iterator[tuple[str, str]]:
        """Yield each profile key with its holder, and those that are noted to be removed."""
        (generation,) = self._server.ask(("HGET", self._keys.claims(), "generation"))
        if not generation:
            return
        for field, value in self._fields(self._keys.holders(generation.decode())):
            if field == _REMOVALS:
                yield from ((profile, "") for profile in json.loads(value))
            elif field:
                yield field.decode(), value.decode()

    def _fields(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        cursor = 0
        while True:
            (answer,) = self._server.ask(("HSCAN", name, cursor, "COUNT", _COUNT))
            if answer is None:  # a key of another type: nothing of ours
                return
            cursor, fields = answer
            yield from fields.items()
            if not cursor:
                return
