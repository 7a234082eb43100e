"""A proxy that knows Kafka's protocol, and has the end of a transaction arrive late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from threading import Event
from typing import Final, NamedTuple

from slow_proxy import SlowProxy

PRODUCE: Final = 0
ADD_OFFSETS_TO_TXN: Final = 25
END_TXN: Final = 26
TXN_OFFSET_COMMIT: Final = 28
_FLEXIBLE_PRODUCE: Final = 9
"""The version of Produce from which on the header has tags, and texts are compact."""


class Moment(NamedTuple):
    """When the late end arrives: before a transaction's n-th request of a kind."""

    kind: int
    number: int = 1


class _Held(NamedTuple):
    """A request, the connection to the broker that it waits on, and the answer to it."""

    request: bytes
    back: asyncio.StreamWriter
    answer: asyncio.Future[int]


class LateEnds(SlowProxy):
    """Passes requests and answers on, as they come, but for what is to be late.

    After `cut` the next request of a kind, an EndTxn if nothing else is said, is held, and its
    client loses the connection: it connects anew, and asks once more. What is held arrives at
    `moment` in a later transaction, or by `deliver`. It knows of one client at a time that has
    transactions.
    """

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.answers: list[int] = []
        """Kafka's error codes for the ends that were late; 0 is none: the end was taken."""
        self.holds = Event()
        self.arrived = Event()
        """Set with each answer."""
        self._kind: int | None = None
        """Of what is to be held."""
        self._moment: Moment | None = None
        self._held: _Held | None = None
        self._answers: dict[asyncio.StreamWriter, _Held] = {}
        """By connection, what is held or was, until it is answered."""
        self._asked_again = False
        self._seen: dict[int, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def cut(self, moment: Moment | None = None, kind: int = END_TXN) -> None:
        """Hold the next request of the kind, until the moment or until `deliver`."""
        self.holds.clear()
        self.arrived.clear()
        self._moment, self._kind = moment, kind

    def deliver(self) -> int:
        """Let what is held arrive; return the broker's error code."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._deliver(), self._loop).result(10)
        return self.answers[-1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._writers += writer, back
        await asyncio.gather(self._ask(reader, writer, back), self._answer(there, writer, back))

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        async for request in _frames(reader):
            if _kind(request) == self._kind:
                self._kind, self._asked_again = None, False
                answer = asyncio.get_running_loop().create_future()
                self._held = self._answers[back] = _Held(request, back, answer)
                writer.transport.abort()
                self.holds.set()
                return  # the broker sees a connection that stays
            if self._is_the_moment(request):
                await self._deliver()
            back.write(request)
            with suppress(OSError):
                await back.drain()
        back.close()

    async def _answer(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        async for answer in _frames(there):
            held = self._answers.get(back)
            if held is not None:
                # Behind the length: the request's number, how long it was throttled, the error.
                if answer[4:8] == held.request[8:12]:
                    held.answer.set_result(_int16(answer, 12))
                continue
            writer.write(answer)
            with suppress(OSError):
                await writer.drain()
        writer.close()

    def _is_the_moment(self, request: bytes) -> bool:
        kind = _kind(request)
        if kind == END_TXN:
            self._asked_again = self._held is not None
            self._seen.clear()
        elif kind != PRODUCE or _is_transactional(request):
            self._seen[kind] = self._seen.get(kind, 0) + 1
        if not self._asked_again or self._moment is None:
            return False
        return kind == self._moment.kind and self._seen.get(kind) == self._moment.number

    async def _deliver(self) -> None:
        held, self._held, self._asked_again = self._held, None, False
        assert held is not None
        held.back.write(held.request)
        self.answers.append(await asyncio.wait_for(held.answer, 10))
        del self._answers[held.back]
        held.back.close()
        self.arrived.set()


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield requests or answers, each with its length before it, until the connection ends."""
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            length = await reader.readexactly(4)
            yield length + await reader.readexactly(int.from_bytes(length))


def _kind(request: bytes) -> int:
    return _int16(request, 4)


def _int16(message: bytes, at: int) -> int:
    return int.from_bytes(message[at : at + 2], signed=True)


def _is_transactional(produce: bytes) -> bool:
    """Whether a Produce names a transactional id."""
    version, client = _int16(produce, 6), _int16(produce, 12)
    after = 14 + max(0, client)
    if version < _FLEXIBLE_PRODUCE:
        return _int16(produce, after) >= 0
    assert produce[after] == 0, "a header with tags"
    return produce[after + 1] > 0
