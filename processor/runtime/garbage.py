"""How often Python looks for cycles, and where the process's memory comes from."""

import ctypes
import gc
from typing import Final

_ALLOCATIONS: Final = 200_000
"""What is made and not freed, in objects with references, between two looks at the youngest."""


_M_ARENA_MAX: Final = -8
"""A parameter of mallopt(3), as glibc numbers it."""


def allocate_from_one_arena() -> None:
    """Have glibc take all memory from one arena; call it before there are threads.

    By default each of the client's threads has its own. Clients come and go with rebalances, and
    what one arena has free no other can use: after half an hour of rebalances each few seconds a
    process had 10 MB more, of which nothing was in use. Only glibc has this parameter.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def return_free_memory() -> None:
    """Give the pages in which nothing is in use back to the system: 12 ms for 70 MB.

    glibc does so by itself only at the end of its heap. Call it where much was just let go of: a
    partition that is restored, the clients that a rebalance has ended.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def collect_rarely() -> None:
    """Look for cycles rarely, and never among what was made before this call.

    A batch holds some ten thousand tuples and dicts at once, which their reference counts free. At
    the default, of 700, each batch is searched dozens of times, and the record cache with it: 3 µs
    an event (docs/performance.md). Cycles, which errors and callbacks leave, are still found.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)


def collect_what_a_fault_left() -> None:
    """Free what only cycles hold, of what was made lately; call it once the fault is dealt with.

    An exception that a frame of its own traceback refers to is a cycle, and holds what the other
    frames have: the batch. Where batches are refused again and again, little else is allocated, and
    the next search may never come. What is in use here is searched by full collections only later.
    """
    gc.collect(1)
