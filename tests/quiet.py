"""A provider that begins an answer, keeps its connection open, and never ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

BEAT_S = 0.02
_HEAD = b"HTTP/1.1 %d Status\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


class Quiet:
    """Answers every request with `says`, each on its own, and then with `beats`, over and over."""

    def __init__(self, *says: bytes, beats: tuple[bytes, ...] = ()) -> None:
        self.status = 200  # 0: not even the head of an answer is sent
        self._says = says
        self._beats = beats
        self._left = asyncio.Event()
        self.url = ""

    async def until_left(self, within_s: float = 10.0) -> None:
        """Wait until a caller has closed its connection."""
        async with asyncio.timeout(within_s):
            await self._left.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection, until its caller leaves."""
        with suppress(OSError, asyncio.IncompleteReadError):  # it has left
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.wait(
                [asyncio.ensure_future(self._speak(writer)), asyncio.ensure_future(_eof(reader))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        self._left.set()
        writer.close()

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        if self.status:
            writer.write(_HEAD % self.status)
        for said in self._says:
            await _send(writer, said)
        while not writer.is_closing():
            for beat in self._beats or (b"",):
                await _send(writer, beat)


@asynccontextmanager
async def quiet(*says: bytes, beats: tuple[bytes, ...] = ()) -> AsyncIterator[Quiet]:
    """Such a provider on a free port, until the block ends."""
    provider = Quiet(*says, beats=beats)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()


async def _send(writer: asyncio.StreamWriter, text: bytes) -> None:
    writer.write(text)
    await writer.drain()
    await asyncio.sleep(BEAT_S)


async def _eof(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass
