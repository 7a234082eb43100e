"""Reading ahead: what comes next is fetched while the last that came is dealt with."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ReadAhead(Iterator[T]):
    """Yields what an iterator does; on a thread of its own, one is fetched before it is asked for.

    That begins at once. What fetching raises is raised here.
    """

    def __init__(self, found: Iterator[T]) -> None:
        self._found = found
        self._thread = ThreadPoolExecutor(1)
        self._coming = self._thread.submit(next, found, None)

    def __next__(self) -> T:
        """Return what came next."""
        item = self._coming.result()
        if item is None:
            raise StopIteration
        self._coming = self._thread.submit(next, self._found, None)
        return item

    def close(self) -> None:
        """Return once nothing is being fetched."""
        self._thread.shutdown()
