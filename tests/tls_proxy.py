"""Ends TLS before a server that has none: CA CERTIFICATE KEY LISTEN TARGET [OLD NEW].

Prints the port that it listens at. Clients need a certificate of the authority. In answers OLD is
replaced by NEW. It ends when its standard input does.
"""

import asyncio
import ssl
import sys
from contextlib import suppress


async def copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, old: bytes, new: bytes
) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data.replace(old, new) if old else data)
            await writer.drain()
    writer.close()


async def main(ca: str, certificate: str, key: str, at: str, target: str, *names: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    old, new = (name.encode() for name in names or ("", ""))
    assert len(old) == len(new)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", int(target))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, back, b"", b""), copy(there, writer, old, new))

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # it would tell of refused clients
    server = await asyncio.start_server(serve, "127.0.0.1", int(at), ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
