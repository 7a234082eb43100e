"""Which partitioner chose the partitions of keys.

A session's updates must all be in one partition; two producers that partition differently make two
sessions of it. `PARTITIONERS` are those that producers have by default, or by name.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Final, Literal, NamedTuple

from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.scan import KafkaScan
from processor.ports.clock import Clock
from processor.ports.log import Topic

Partitioner = Literal["murmur2", "crc32", "fnv1a", "fnv1a-reference", "kafkajs-legacy"]
Fit = Literal[Partitioner, "either", "mixed", "neither", "unknown"]
"""What keys fit: one partitioner; `either` where several do, and the keys do not tell them apart;
`mixed` where two together do; `neither`; `unknown` where there are no keys."""

_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF
_31_BITS: Final = 0x7FFFFFFF
_SIGN: Final = 0x80000000
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
    counts: Mapping[Partitioner, int]
    """How many of them are where each partitioner puts them."""
    fitting: tuple[Partitioner, ...]
    """Those that explain all keys: one, several of which each does, or two that together do."""
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


def fnv1a(key: bytes) -> int:
    """Return the 32-bit FNV-1a hash, as the signed number that its users take it for."""
    value = 2_166_136_261
    for byte in key:
        value = (value ^ byte) * 16_777_619 & _32_BITS
    return _signed(value)


def _signed(value: int) -> int:
    return ((value & _32_BITS) ^ _SIGN) - _SIGN


def by_murmur2(key: bytes, partitions: int) -> int:
    """Return the partition that Java's clients choose, and librdkafka's `murmur2`."""
    return (murmur2(key) & _31_BITS) % partitions


def by_crc32(key: bytes, partitions: int) -> int:
    """Return the partition that librdkafka chooses, left to itself."""
    return zlib.crc32(key) % partitions


def by_fnv1a(key: bytes, partitions: int) -> int:
    """Return the partition that Sarama chooses, left to itself, and kafka-go's `Hash`.

    The remainder has the sign of the hash, and loses it.
    """
    return abs(fnv1a(key)) % partitions


def by_fnv1a_reference(key: bytes, partitions: int) -> int:
    """Return the partition that Sarama's and kafka-go's ReferenceHash chooses: without a sign."""
    return (fnv1a(key) & _31_BITS) % partitions


def by_kafkajs_legacy(key: bytes, partitions: int) -> int:
    """Return the partition that kafkajs 1 chooses, left to itself: its `LegacyPartitioner`.

    It is murmur2 in doubles, which lose the low bits of a product; the last, incomplete word counts
    as a whole one, too.
    """
    value = _signed(_SEED ^ len(key))
    whole = len(key) & ~3
    for (word,) in struct.iter_unpack("<i", key + bytes(-len(key) % 4)):
        mixed = _in_doubles(word)
        mixed = _in_doubles(_signed(mixed) ^ ((mixed & _32_BITS) >> 24))
        value = _signed(_in_doubles(value) ^ mixed)
    if key[whole:]:
        value = _in_doubles(value ^ int.from_bytes(key[whole:], "little"))
    value = _in_doubles(_signed(value) ^ ((value & _32_BITS) >> 13))
    return ((value ^ ((value & _32_BITS) >> 15)) & _31_BITS) % partitions


def _in_doubles(value: int) -> int:
    return int(float(value) * _MULTIPLIER)


PARTITIONERS: Final[Mapping[Partitioner, Callable[[bytes, int], int]]] = {
    "murmur2": by_murmur2,
    "crc32": by_crc32,
    "fnv1a": by_fnv1a,
    "fnv1a-reference": by_fnv1a_reference,
    "kafkajs-legacy": by_kafkajs_legacy,
}


def fit(seen: Iterable[tuple[bytes, int]], partitions: int) -> Verdict:
    """Return what partitioner the keys' partitions fit, in a topic with so many partitions."""
    places: dict[bytes, set[int]] = {}
    for key, partition in seen:
        places.setdefault(key, set()).add(partition)
    chosen = {
        name: [choose(key, partitions) for key in places] for name, choose in PARTITIONERS.items()
    }
    counts = {
        name: sum(where == {place} for where, place in zip(places.values(), chose, strict=True))
        for name, chose in chosen.items()
    }
    split = tuple(
        key.decode(errors="backslashreplace") for key, where in places.items() if len(where) > 1
    )[:_EXAMPLES]
    alone = tuple(name for name, count in counts.items() if count == len(places))
    if not places:
        return Verdict("unknown", 0, counts, (), split)
    if alone:
        return Verdict(alone[0] if len(alone) == 1 else "either", len(places), counts, alone, split)
    for pair in combinations(PARTITIONERS, 2):
        both = zip(places.values(), *(chosen[name] for name in pair), strict=True)
        if all(where <= {*two} for where, *two in both):
            return Verdict("mixed", len(places), counts, pair, split)
    return Verdict("neither", len(places), counts, (), split)
