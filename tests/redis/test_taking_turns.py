"""A server's threads: the loop's, and that of a commit."""

from collections.abc import Sequence
from threading import Event, Thread
from typing import Any

from processor.redis.connection import Server
from processor.redis.links import Argument, Keyed

WAIT_S = 0.2


class SlowLink:
    """Answers the first exchange once a second one has begun, or could have for a while."""

    def __init__(self) -> None:
        self.begun, self.second_begun = Event(), Event()
        self.at_once = 0
        self._exchanging = 0

    def exchange(self, commands: Sequence[Keyed]) -> list[Any]:
        (self.second_begun if self.begun.is_set() else self.begun).set()
        self._exchanging += 1
        self.at_once = max(self.at_once, self._exchanging)
        self.second_begun.wait(WAIT_S)
        self._exchanging -= 1
        return [b""] * len(commands)

    def everywhere(self, command: Sequence[Argument]) -> list[Any]:
        raise NotImplementedError

    def renew(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def test_a_link_is_used_by_one_thread_at_a_time() -> None:
    link = SlowLink()
    server = Server(link)
    other = Thread(target=server.ask, args=(("GET", "a"),))
    other.start()
    assert link.begun.wait(5)
    server.ask(("GET", "b"))
    other.join()
    assert link.at_once == 1
