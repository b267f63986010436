"""The provider of the matrix: a raw socket that does what the script for a prompt says."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.faults.script import Framing, Kind, Leave, Script

_MARKER = re.compile(rb"\[\[([^\]]{1,200})\]\]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LEFT_WITHIN_S = 10.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER for no time: the close is a reset


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: of how many bytes, and the output cap that it names."""

    body_bytes: int
    output_cap: int


class FaultyProvider:
    """Plays every kind, for any number of callers at a time."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds
        self._server: asyncio.Server | None = None
        self._calls: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._port = 0
        self.arrivals: dict[str, list[Arrival]] = {}
        self._left: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    async def is_left(self, marker: str) -> bool:
        """Whether the caller has closed the connection on which this side is silent, by now."""
        left = self._left.setdefault(marker, asyncio.Event())
        with suppress(TimeoutError):
            await asyncio.wait_for(left.wait(), LEFT_WITHIN_S)
        return self._left.pop(marker).is_set()

    async def listen(self) -> None:
        """Take calls, on the same port as ever."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, limit=1 << 20
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def hang_up(self) -> None:
        """Take no calls: whoever tries to connect is refused."""
        assert self._server is not None, "it does not listen"
        self._server.close()
        for writer in self._calls.values():
            writer.transport.abort()
        if self._calls:
            await asyncio.wait(list(self._calls))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "each connection is a task of its own"
        self._calls[task] = writer
        try:
            with suppress(OSError, asyncio.IncompleteReadError):  # its caller has left
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()
            del self._calls[task]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may serve another call."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length is not None, "every request of a model has a body"
        body = await reader.readexactly(int(length[1]))
        found = _MARKER.search(body)
        assert found is not None, "every prompt of the matrix names its kind"
        marker = json.loads(b'"' + found[1] + b'"')
        script = self._kinds[marker.rpartition("#")[0]].script
        asked = json.loads(body)
        cap = asked.get("max_tokens") or asked["max_completion_tokens"]
        self.arrivals.setdefault(marker, []).append(Arrival(len(body), cap))
        return await self._play(marker, script, reader, writer)

    async def _play(
        self,
        marker: str,
        script: Script,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        writer.write(script.greeting or (_head(script) if script.status else b""))
        for piece in script.body:
            writer.write(_framed(piece, script.framing))
            await writer.drain()
            if script.apart_ms:
                await asyncio.sleep(script.apart_ms / 1_000)
        if script.leave is Leave.SILENT:
            while await reader.read(1 << 16):
                pass
            self._left.setdefault(marker, asyncio.Event()).set()
        elif script.leave is Leave.RESET:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        elif script.leave is Leave.IN_ORDER and script.framing is Framing.CHUNKED:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return script.leave is Leave.IN_ORDER and script.framing is not Framing.CLOSE


def _head(script: Script) -> bytes:
    headers = list(script.headers)
    if script.framing is Framing.CHUNKED:
        headers.append(("transfer-encoding", "chunked"))
    elif script.framing is Framing.LENGTH:
        length = sum(map(len, script.body)) + script.missing_bytes
        headers.append(("content-length", str(length)))
    else:
        headers.append(("connection", "close"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {script.status} Status\r\n{lines}\r\n".encode()


def _framed(piece: bytes, framing: Framing) -> bytes:
    if framing is not Framing.CHUNKED or not piece:
        return piece
    return b"%x\r\n%b\r\n" % (len(piece), piece)
