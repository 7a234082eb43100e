"""Reading ahead: what comes next is fetched while the last that came is dealt with."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from processor.ports.log import Record


def read_ahead(chunks: Iterator[Sequence[Record]]) -> Iterator[Sequence[Record]]:
    """Yield the chunks; on a thread of its own, one is fetched before it is asked for.

    What fetching raises is raised here. To close this awaits the chunk that is being fetched.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = thread.submit(next, chunks, None)
            yield chunk
