"""SIGTERM and SIGINT: they ask for the end, and see that it comes in time."""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread, get_ident
from typing import Final

import structlog

LAST_MOMENT_S: Final = 8.5
"""Seconds after a signal at which the process ends if it has not: it promises ten."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log: Final = structlog.get_logger(__name__)


@contextmanager
def stopped_by_signals(stopping: Event, last_moment: float = LAST_MOMENT_S) -> Iterator[None]:
    """Have the signals set `stopping`, while inside, and the process end soon after.

    A call of a client library may wait longer than it was told to. Python's own handlers would not
    even run before it returns; so a thread listens where the interpreter writes each signal at
    once. What the process had open then is what a kill leaves open: the next owner ends it.
    """
    ended = Event()
    heard, written = socket.socketpair()
    written.setblocking(False)
    Thread(target=_listen, args=(heard, stopping, ended, last_moment), daemon=True).start()
    former_descriptor = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    former = {number: signal.signal(number, lambda *_: stopping.set()) for number in _SIGNALS}
    try:
        yield
    finally:
        ended.set()
        for number, action in former.items():
            signal.signal(number, action)
        signal.set_wakeup_fd(former_descriptor)
        written.close()


def _listen(heard: socket.socket, stopping: Event, ended: Event, last_moment: float) -> None:
    """Wait for one of the signals, then for the end."""
    with heard:
        while (byte := heard.recv(1)) and byte[0] not in _SIGNALS:
            pass
    if not byte:
        return
    stopping.set()
    if not ended.wait(last_moment):
        frames = sys._current_frames()  # noqa: SLF001  no other way
        stacks = (traceback.format_stack(each) for at, each in frames.items() if at != get_ident())
        where = "\n".join(map("".join, stacks))
        _log.warning("leaving in the middle of a call that does not return", where=where)
        sys.stderr.flush()
        os._exit(0)
