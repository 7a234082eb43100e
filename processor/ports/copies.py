"""All that the cache holds of sessions and profiles, current or not: for who searches it."""

from collections.abc import Iterator
from typing import Protocol


class CachedCopies(Protocol):
    """Reads every generation that is named anywhere, also one that was never finished.

    Changes nothing. What is written meanwhile may be missed; what stands all the while is not.
    Raises `CacheUnavailable` as the session cache does.
    """

    def sessions(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield each record key with its snapshot; again for a further generation."""

    def claims(self) -> Iterator[tuple[str, str]]:
        """Yield each profile key with its holder; with "" where its claim is about to be ended."""
