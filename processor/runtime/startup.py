"""Waiting, before the loop begins, for servers that are away."""

from collections.abc import Callable
from threading import Event
from typing import Final, TypeVar, get_args

from processor.ports.servers import Server, ServerUnavailable
from processor.telemetry.observer import Observer

_RETRY_S: Final = 1.0

Result = TypeVar("Result")


class Stopped(Exception):  # noqa: N818  what happened
    """The process was told to stop before it had begun."""


class WaitForServers:
    """Repeats what a server that is away keeps from being done; raises Stopped when told to."""

    def __init__(self, stopping: Event, observer: Observer) -> None:
        self._stopping = stopping
        self._observer = observer

    def __call__(self, action: Callable[[], Result]) -> Result:
        """Return the action's answer, once it has one."""
        while not self._stopping.is_set():
            self._observer.turned()
            try:
                answer = action()
            except ServerUnavailable as fault:
                self._observer.away(fault.server, str(fault), retry_in=_RETRY_S)
            else:
                for server in get_args(Server):
                    self._observer.back(server)
                return answer
            self._stopping.wait(_RETRY_S)
        raise Stopped
