"""Kafka's DescribeProducers, which confluent-kafka does not have."""

import socket
from io import BytesIO
from struct import calcsize, pack, unpack
from typing import Final

_DESCRIBE_PRODUCERS: Final = 61
_PRODUCER: Final = ">qiiqiqx"
"""Its id, its epoch, its last sequence and when, the coordinator's epoch, a transaction's start."""


def idempotent_producers(address: str, topic: str, partitions: int) -> frozenset[int]:
    """Return the ids of the producers that lately wrote to the topic with idempotence.

    `address` is that of a broker that leads all of the topic's partitions. Lengths are one more
    than they are, in one byte: nothing here has more than 126 of anything.
    """
    host, _, port = address.rpartition(":")
    header = pack(">hhihx", _DESCRIBE_PRODUCERS, 0, 1, -1)
    name = bytes([2, 1 + len(topic)]) + topic.encode()
    wanted = pack(f">B{partitions}ixx", 1 + partitions, *range(partitions))
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(pack(">i", len(header + name + wanted)) + header + name + wanted)
        with connection.makefile("rb") as answers:
            answer = BytesIO(answers.read(int.from_bytes(answers.read(4))))
    answer.read(9)  # the request's number, how long it was throttled
    assert answer.read(len(name)) == name
    found: set[int] = set()
    for _ in range(_length(answer)):
        partition, error = unpack(">ih", answer.read(6))
        assert not error, (partition, error)
        assert _length(answer) == -1, "a message without an error"
        for _ in range(_length(answer)):
            found.add(unpack(_PRODUCER, answer.read(calcsize(_PRODUCER)))[0])
        answer.read(1)
    return frozenset(found)


def _length(answer: BytesIO) -> int:
    return int(answer.read(1)[0]) - 1
