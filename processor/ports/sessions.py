"""The cache of sessions: what load, store and restore need from Redis.

Everything of one input partition stands or falls together: a pointer names the current
generation, and a generation is one hash of snapshots by record key with its checkpoint inside. A
checkpoint is opaque here and different each time (it names the owner and the input offset), so to
compare it is to compare generation, owner and offset at once.

Every method may block for as long as the configured socket timeout, and raises `CacheUnavailable`
when the server does not answer or answers with an error that time may heal. A write whose answer
was lost may have happened; to repeat it is safe, since it compares with the checkpoint before it
and takes its own checkpoint for its success.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from processor.ports.servers import ServerUnavailable


class CacheUnavailable(ServerUnavailable):
    """The server did not answer, or could not serve now; the message says which and why."""

    server = "redis"


class CacheLost(Exception):  # noqa: N818  what happened
    """The cache is not what this owner last wrote there; only a restore may follow."""

    def __init__(self, partitions: frozenset[int]) -> None:
        super().__init__(f"the cache of partitions {sorted(partitions)} is not what was written")
        self.partitions = partitions


class Stamp(NamedTuple):
    """What stands in the cache of one partition: its generation and its checkpoint."""

    generation: str
    checkpoint: bytes


class Want(NamedTuple):
    """Keys to load from one partition, if `stamp` still stands there."""

    stamp: Stamp
    keys: Sequence[bytes]


class Write(NamedTuple):
    """Snapshots by key (None deletes), to be written with `checkpoint` if `stamp` stands."""

    stamp: Stamp
    checkpoint: bytes
    snapshots: Mapping[bytes, bytes | None]


class SessionCache(Protocol):
    """The sessions of every partition, cached. One thread calls it."""

    def read(self, partition: int) -> Stamp | None:
        """Return what stands, or None where the pointer, the hash or its checkpoint is absent."""

    def load(self, wants: Mapping[int, Want], limit: int) -> dict[int, list[bytes | None]]:
        """Return the values of each partition's keys, in order, in one round trip.

        A key that is not there is None. A list is shorter than its keys where the values before
        passed `limit` bytes in that partition; the first value is always there. Raises CacheLost,
        naming every partition whose stamp does not stand.
        """

    def write(self, writes: Mapping[int, Write]) -> None:
        """Write each partition's snapshots and checkpoint, all or nothing a partition, one round.

        Done already (the checkpoint to write stands in that generation) is success. Raises
        CacheLost, naming every partition whose stamp did not stand; the others are written.
        """

    def check(self, stamps: Mapping[int, Stamp]) -> frozenset[int]:
        """Return the partitions whose stamp does not stand, in one round trip."""

    def begin(self, partition: int, checkpoint: bytes) -> Stamp:
        """Return the stamp of a fresh, empty generation that is not the current one.

        It carries `checkpoint` from its first moment, so that `fill` is fenced as `write` is.
        What an unfinished attempt left under that name is unlinked first.
        """

    def drop_unfinished(self, partition: int) -> None:
        """Unlink what an unfinished attempt left beside a current generation, which stays."""

    def fill(self, partition: int, write: Write) -> None:
        """Write into a generation that is not current yet. Raises CacheLost as `write` does.

        Where the server has no room for two, the current one may be unlinked for it: until `flip`
        a reader finds nothing then.
        """

    def flip(self, partition: int, stamp: Stamp, checkpoint: bytes) -> Stamp:
        """Make the generation current under a new checkpoint, then unlink the former one.

        Raises CacheLost if the stamp does not stand in the new generation's hash.
        """


class Directory(Protocol):
    """What a reader finds beside the sessions: how to read them."""

    def describe(self, partitions: int, schemas: Mapping[str, str]) -> None:
        """Record the layout's version, the partition count, and schemas (JSON) by fingerprint.

        To record the same again changes nothing. Schemas are added, never removed.
        """

    def partitions(self) -> int | None:
        """Return the partition count that was recorded, None where none was."""

    def eviction_policy(self) -> str | None:
        """Return `maxmemory_policy` of `INFO memory`, None where the server does not tell.

        Of several servers, one that evicts sessions comes before all others.
        """
