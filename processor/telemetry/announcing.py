"""Tells the deployment where this process's endpoint answers, from a thread of its own."""

from threading import Event, Thread
from typing import Final

import structlog

from processor.errors import ProcessorError
from processor.ports.members import Member, Members
from processor.ports.servers import ServerUnavailable

EVERY_S: Final = 10.0
LEASE_MS: Final = 35_000
"""Two announcements may fail before the process seems gone."""
_LEAVE_S: Final = 1.0
_log: Final = structlog.get_logger("processor")


class Announcing:
    """Announces a process until it is closed. The loop neither waits for it nor ends by it."""

    def __init__(self, members: Members, member: Member) -> None:
        self._members = members
        self._member = member
        self._stopping = Event()
        self._is_well = True
        self._thread = Thread(target=self._run, name="announcing", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say that the process is gone; a server that does not answer is not waited for."""
        self._stopping.set()
        self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.announce()
            self._stopping.wait(EVERY_S)
        try:
            self._members.withdraw(self._member.process)
        except (ServerUnavailable, ProcessorError):
            return  # the lease ends by itself

    def announce(self) -> None:
        """Announce once; a failure is logged the first time, and its end."""
        try:
            self._members.announce(self._member, LEASE_MS)
        except (ServerUnavailable, ProcessorError) as error:
            if self._is_well:
                _log.warning("not announced", why=str(error), url=self._member.url)
            self._is_well = False
        else:
            if not self._is_well:
                _log.info("announced", url=self._member.url)
            self._is_well = True
