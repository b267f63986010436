"""A network between a client and a server, which breaks when a test says so."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Relay:
    """Passes bytes on between its own port and the server's."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.opened = 0
        self.target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset every connection that there is, as a machine does that dies."""
        for writer in list(self._writers):
            raw: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):  # it is closed already
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        self.opened += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        mine = {writer, back}
        self._writers |= mine
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            self._writers -= mine


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def relayed(target_port: int) -> AsyncIterator[Relay]:
    """A relay to a server of this machine."""
    relay = Relay(target_port)
    listener = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = listener.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        relay.cut()
        listener.close()
        await listener.wait_closed()
