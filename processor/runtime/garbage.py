"""How often Python looks for cycles."""

import gc
from typing import Final

_ALLOCATIONS: Final = 200_000
"""What is made and not freed, in objects with references, between two looks at the youngest."""


def collect_rarely() -> None:
    """Look for cycles rarely, and never among what was made before this call.

    A batch holds some ten thousand tuples and dicts at once, which their reference counts free. At
    the default, of 700, each batch is searched dozens of times, and the record cache with it: 3 µs
    an event (docs/performance.md). Cycles, which errors and callbacks leave, are still found.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
