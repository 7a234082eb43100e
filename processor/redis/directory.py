"""What a reader finds beside the sessions, on a server."""

from collections.abc import Mapping
from itertools import chain

from processor.redis import scripts
from processor.redis.connection import Call, Server
from processor.redis.keys import LAYOUT, Keys


class RedisDirectory:
    """A Directory."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    def describe(self, partitions: int, schemas: Mapping[str, str]) -> None:
        """Record the layout's version, the partition count, and schemas (JSON) by fingerprint."""
        calls = [Call([self._keys.meta()], ["layout", LAYOUT, "partitions", partitions])]
        if schemas:
            # Before it: who finds the layout finds what its snapshots were written with.
            pairs = list(chain.from_iterable(schemas.items()))
            calls.insert(0, Call([self._keys.schemas()], pairs))
        self._server.run(scripts.DESCRIBE, calls)

    def partitions(self) -> int | None:
        """Return the partition count that was recorded, None where none was."""
        (count,) = self._server.ask(("HGET", self._keys.meta(), "partitions"))
        return int(count) if count else None

    def eviction_policy(self) -> str | None:
        """Return `maxmemory_policy`, of several servers one that evicts sessions."""
        told = self._server.everywhere("INFO", "memory")
        policies = [
            str(each["maxmemory_policy"])
            for each in told
            if isinstance(each, dict) and each.get("maxmemory_policy")
        ]
        return min(policies, key=lambda policy: not policy.startswith("allkeys"), default=None)
