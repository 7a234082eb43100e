"""The memory of the last accepted event ids: 64-bit hashes, the newest last, in one bytes value."""

from hashlib import blake2b
from typing import Final

REMEMBERED: Final = 16
_WIDTH: Final = 8
_EMPTY: Final = blake2b(digest_size=_WIDTH)
_KEPT: Final = _WIDTH * (REMEMBERED - 1)


def event_hash(event_id: str) -> bytes:
    """Return the 8 bytes by which an event id is remembered (BLAKE2b of its UTF-8)."""
    digest = _EMPTY.copy()  # half the cost of another one with these parameters
    digest.update(event_id.encode())
    return digest.digest()


def remembers(memory: bytes, event: bytes) -> bool:
    """Whether the hash is among those in the memory, at a whole position."""
    found = memory.find(event)
    while found >= 0:
        if found % _WIDTH == 0:
            return True
        found = memory.find(event, found + 1)
    return False


def remember(memory: bytes, event: bytes) -> bytes:
    """Return the memory with the hash as its newest, the oldest beyond 16 forgotten."""
    return memory[-_KEPT:] + event
