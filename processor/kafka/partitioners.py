"""Which partitioner chose the partitions of keys.

A session's updates must all be in one partition; two producers that partition differently make two
sessions of it. Java's clients take murmur2, librdkafka's take CRC32 unless told otherwise.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.scan import KafkaScan
from processor.ports.clock import Clock
from processor.ports.log import Topic

Fit = Literal["murmur2", "crc32", "either", "mixed", "neither", "unknown"]
"""What keys fit: `either` where they do not tell the two apart, `unknown` where there are none."""

_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF
_31_BITS: Final = 0x7FFFFFFF
_EXAMPLES: Final = 5
_RECORDS: Final = 300
"""How many records of each partition are looked at."""
_SECONDS: Final = 10.0
"""How long all partitions together may take; what was read by then is the sample."""


class Verdict(NamedTuple):
    """What a sample of keys tells."""

    fit: Fit
    keys: int
    """How many different keys there were."""
    murmur2: int
    """How many of them are where murmur2 puts them, as `crc32` is for CRC32."""
    crc32: int
    split: tuple[str, ...]
    """Some keys that were seen in more than one partition."""


def sample(cluster: Cluster, clock: Clock, partitions: int) -> Verdict:
    """Return what the keys of the input's last records tell. Raises LogUnavailable."""
    return fit(_recent_keys(cluster, clock, partitions), partitions)


def _recent_keys(cluster: Cluster, clock: Clock, partitions: int) -> Iterator[tuple[bytes, int]]:
    until = clock.monotonic() + _SECONDS
    coordination, scan = KafkaCoordination(cluster), KafkaScan(cluster)
    for partition in range(partitions):
        start, end, _ = coordination.extent(Topic.UPDATES, partition)
        for records in scan.read(Topic.UPDATES, partition, max(start, end - _RECORDS), end):
            yield from ((record.key, partition) for record in records if record.key)
            if clock.monotonic() > until:
                return


def murmur2(key: bytes) -> int:
    """Return the 32-bit hash that Java's clients take."""
    value = (_SEED ^ len(key)) & _32_BITS
    whole = len(key) & ~3
    for (word,) in struct.iter_unpack("<I", key[:whole]):
        mixed = word * _MULTIPLIER & _32_BITS
        mixed = (mixed ^ (mixed >> 24)) * _MULTIPLIER & _32_BITS
        value = (value * _MULTIPLIER & _32_BITS) ^ mixed
    rest = key[whole:]
    if rest:
        value = (value ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _32_BITS
    value = (value ^ (value >> 13)) * _MULTIPLIER & _32_BITS
    return value ^ (value >> 15)


def by_murmur2(key: bytes, partitions: int) -> int:
    """Return the partition that Java's clients choose, and librdkafka's `murmur2`."""
    return (murmur2(key) & _31_BITS) % partitions


def by_crc32(key: bytes, partitions: int) -> int:
    """Return the partition that librdkafka chooses, left to itself."""
    return zlib.crc32(key) % partitions


def fit(seen: Iterable[tuple[bytes, int]], partitions: int) -> Verdict:
    """Return what partitioner the keys' partitions fit, in a topic with so many partitions."""
    places: dict[bytes, set[int]] = {}
    for key, partition in seen:
        places.setdefault(key, set()).add(partition)
    by_java = {key for key, where in places.items() if where == {by_murmur2(key, partitions)}}
    by_librdkafka = {key for key, where in places.items() if where == {by_crc32(key, partitions)}}
    explained = all(
        where <= {by_murmur2(key, partitions), by_crc32(key, partitions)}
        for key, where in places.items()
    )
    split = tuple(
        key.decode(errors="backslashreplace") for key, where in places.items() if len(where) > 1
    )
    return Verdict(
        _name(len(places), len(by_java), len(by_librdkafka), explained=explained),
        len(places),
        len(by_java),
        len(by_librdkafka),
        split[:_EXAMPLES],
    )


def _name(keys: int, java: int, librdkafka: int, *, explained: bool) -> Fit:
    if not keys:
        return "unknown"
    if java == keys:
        return "either" if librdkafka == keys else "murmur2"
    if librdkafka == keys:
        return "crc32"
    return "mixed" if explained else "neither"
