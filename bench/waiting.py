"""Waiting for what is seen from outside alone."""

import time
from collections.abc import Callable


def wait(
    done: Callable[[], bool],
    patience: float,
    check: Callable[[], object] = lambda: None,
    every: float = 0.25,
) -> bool:
    """Wait for something while `check` does not raise; tell whether it came in time.

    `every` is how many seconds pass between two looks, which may ask a broker.
    """
    deadline = time.monotonic() + patience
    while not done():
        check()
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
