"""A TCP proxy on a thread of its own that delivers what it is sent later."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TypeVar


class SlowProxy:
    """Passes bytes on to a port of this machine, each `delay` seconds after it came."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.delay = 0.0
        self._target = target
        self._ended = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, listening: threading.Event) -> None:
        """Serve until `end` is called."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        await self._ended.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def end(self) -> None:
        self._ended.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._writers += writer, back
        await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Read on while what came before waits for its time; nothing overtakes anything."""
        now = asyncio.get_running_loop().time
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            data = b"-"
            while data:
                try:
                    data = await source.read(1 << 16)
                except OSError:
                    data = b""
                waiting.put_nowait((now() + self.delay, data))

        reading = asyncio.create_task(read())
        with suppress(OSError):
            while (due := await waiting.get())[1]:
                await asyncio.sleep(due[0] - now())
                sink.write(due[1])
                await sink.drain()
        sink.close()
        await reading


Proxy = TypeVar("Proxy", bound=SlowProxy)


@contextmanager
def serving(proxy: Proxy) -> Iterator[Proxy]:
    """Have a proxy before its port for as long as the context lasts."""
    loop = asyncio.new_event_loop()
    listening = threading.Event()

    def serve() -> None:
        with closing(loop):
            loop.run_until_complete(proxy.serve(listening))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert listening.wait(10)
    yield proxy
    loop.call_soon_threadsafe(proxy.end)
    thread.join(10)
