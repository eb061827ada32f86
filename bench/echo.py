"""The other process of the socket's floor: `python -m bench.echo SOCKET` answers every frame."""

import asyncio
import sys

import msgspec
import uvloop


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            body = msgspec.msgpack.encode(msgspec.msgpack.decode(await reader.readexactly(size)))
            writer.write(len(body).to_bytes(4, "big") + body)
    except asyncio.IncompleteReadError:
        writer.close()


async def _main(path: str) -> None:
    server = await asyncio.start_unix_server(_answer, path)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1]))
