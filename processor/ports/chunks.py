"""What a `Scan` yields, with the progress that it means."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from processor.ports.log import Record

Passed = Callable[[int], object]
"""Told how many offsets were passed."""


def chunks_in(
    chunks: Iterable[Sequence[Record]], start: int, end: int, passed: Passed
) -> Iterator[Sequence[Record]]:
    """Yield those chunks of a partition that are not empty.

    After each, `passed` is told how many offsets that was; all told, it is told of `end - start`.
    """
    at = start
    for chunk in chunks:
        if chunk:
            yield chunk
            passed(chunk[-1].offset + 1 - at)
            at = chunk[-1].offset + 1
    passed(end - at)
