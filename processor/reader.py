"""Read a session from Redis alone. Needs redis-py and fastavro, and nothing else of the processor.

    reader = SessionReader(redis.Redis(host="…"), prefix="session-processor")
    answer = reader.get("1:cart-17")
    for found in answer.found:
        print(found.partition, reader.decode(found.snapshot))

The client is a `redis.Redis`, also one that `redis.sentinel.Sentinel.master_for` made, or a
`redis.RedisCluster`. This file may be copied into another service. What it reads is stated in
`docs/contract.md`: `P:meta` tells the partition count, `{P:p}:current` the generation of partition
p, and the hash `{P:p}:sessions:<generation>` has each snapshot by record key, as long as its field
of empty name is there.
"""

import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

import fastavro
from fastavro.types import Schema

LAYOUT: Final = 1
"""The layout that this reader knows."""

_TRIES: Final = 5
_SINGLE_OBJECT: Final = b"\xc3\x01"
_SINGLE_OBJECT_LENGTH: Final = 10
_CONFLUENT: Final = b"\x00"
_CONFLUENT_LENGTH: Final = 5


class UnknownLayout(LookupError):  # noqa: N818  a finding
    """Nothing under this prefix says how it is laid out, or it is laid out in another way."""


class UnknownSchema(LookupError):  # noqa: N818  a finding
    """A snapshot names a schema that is not recorded."""


class Found(NamedTuple):
    """A session's latest snapshot in the cache: bytes as published, framing included."""

    partition: int
    snapshot: bytes


class Answer(NamedTuple):
    """Where a key was found. More than one place: its updates came over several partitions.

    `missing` are the partitions that have no cache now: one of them may hold the session, once its
    owner has restored it.
    """

    found: Sequence[Found]
    missing: frozenset[int]


class Client(Protocol):
    """What is asked of a client of redis-py: pipelines of commands, each of one key."""

    def pipeline(self, transaction: bool = ...) -> Any:  # noqa: FBT001  as redis-py's
        """Return a pipeline."""


class SessionReader:
    """Reads what the processor keeps under a prefix, and writes nothing. Raises redis-py's errors.

    The client must not decode responses. A key's partition is not computed, since producers choose
    the partitioner: every partition is asked. One thread calls it.
    """

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._partitions = 0
        self._schemas: dict[str, Schema] = {}

    def get(self, key: str | bytes) -> Answer:
        """Return where the key is found. Raises UnknownLayout.

        Two round trips; one more at the first call, and two more whenever a generation is replaced
        between the two.
        """
        found: list[Found] = []
        pending = self._pointers()
        missing: set[int] = set()
        for _ in range(_TRIES):
            missing |= {partition for partition, named in pending.items() if named is None}
            asked = [(partition, named) for partition, named in pending.items() if named]
            values = self._ask(("HMGET", self._hash(*place), "", key) for place in asked)
            vanished = {}
            for (partition, named), (checkpoint, snapshot) in zip(asked, values, strict=True):
                if checkpoint is None:
                    vanished[partition] = named
                elif snapshot is not None:
                    found.append(Found(partition, snapshot))
            if not vanished:
                break
            names = self._ask(("GET", self._pointer(partition)) for partition in vanished)
            pending = dict(zip(vanished, names, strict=True))
            # The same name again is no replacement: that generation is lost.
            lost = {partition for partition in pending if pending[partition] == vanished[partition]}
            missing |= lost
            pending = {partition: pending[partition] for partition in pending.keys() - lost}
        else:
            missing |= pending.keys()
        return Answer(sorted(found), frozenset(missing))

    def decode(self, snapshot: bytes) -> dict[str, Any]:
        """Return the snapshot's fields under their names in the schema that it was written with.

        Times are aware datetimes; each value of an `attributes` is one JSON text. Raises
        UnknownSchema.
        """
        if snapshot.startswith(_SINGLE_OBJECT):
            start = _SINGLE_OBJECT_LENGTH
            name = snapshot[len(_SINGLE_OBJECT) : start].hex()
        elif snapshot.startswith(_CONFLUENT):
            start = _CONFLUENT_LENGTH
            name = str(int.from_bytes(snapshot[len(_CONFLUENT) : start], "big"))
        else:
            raise UnknownSchema("the snapshot begins like no known framing")
        datum = io.BytesIO(snapshot[start:])
        return cast("dict[str, Any]", fastavro.schemaless_reader(datum, self._schema(name), None))

    def schema(self, name: str) -> str | None:
        """Return a schema's JSON by its fingerprint (hex, as in the framing) or registry id."""
        (text,) = self._ask([("HGET", f"{self._prefix}:schemas", name)])
        return None if text is None else cast("bytes", text).decode()

    def _schema(self, name: str) -> Schema:
        parsed = self._schemas.get(name)
        if parsed is None:
            text = self.schema(name)
            if text is None:
                raise UnknownSchema(f"the schema {name} is not recorded")
            parsed = self._schemas[name] = fastavro.parse_schema(json.loads(text))
        return parsed

    def _pointers(self) -> dict[int, bytes | None]:
        """Return each partition's generation; the partition count is looked at with them."""
        while True:
            pointers = [("GET", self._pointer(p)) for p in range(self._partitions)]
            meta = ("HMGET", f"{self._prefix}:meta", "layout", "partitions")
            (layout, partitions), *named = self._ask([meta, *pointers])
            if layout != b"%d" % LAYOUT or partitions is None:
                stands = "nothing" if layout is None else f"layout {layout.decode()}"
                raise UnknownLayout(f"{stands} stands under the prefix {self._prefix!r}")
            if int(partitions) == self._partitions:
                return dict(enumerate(named))
            self._partitions = int(partitions)

    def _pointer(self, partition: int) -> str:
        return f"{{{self._prefix}:{partition}}}:current"

    def _hash(self, partition: int, generation: bytes) -> str:
        return f"{{{self._prefix}:{partition}}}:sessions:{generation.decode()}"

    def _ask(self, commands: Iterable[Sequence[str | bytes]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return cast("list[Any]", pipeline.execute())
