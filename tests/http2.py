"""A bare HTTP/2 client: it reads frames whenever it likes, and gives no window but what it is told.

gRPC's own clients give their peer at least a window of text ahead of their reader, so none of
them can be the reader that takes nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from tests.harness import eventually

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x1
END_HEADERS: Final = 0x4
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, TRUE_BINARY = 1, 4, 0xFE03
CANCELLED: Final = 8
WINDOW_MAX: Final = 2**31 - 1


class Stream:
    """What has come on one stream."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.headers: list[bytes] = []
        self.ended = False
        self.reset = False

    @property
    def messages(self) -> list[bytes]:
        """The messages that have come whole."""
        found, at = [], 0
        while len(self.data) >= at + 5:
            end = at + 5 + int.from_bytes(self.data[at + 1 : at + 5])
            if len(self.data) < end:
                break
            found.append(bytes(self.data[at + 5 : end]))
            at = end
        return found

    @property
    def trailers(self) -> bytes:
        """The header block that ended it, uncompressed; empty until it has come."""
        return self.headers[-1] if self.ended else b""


class Connection:
    """One connection. Header blocks come uncompressed, so that a status can be read in them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._next_id = 1
        self.streams: defaultdict[int, Stream] = defaultdict(Stream)
        self.went_away = False

    def greet(self, window_bytes: int) -> None:
        """Say how much text each stream may send unasked."""
        settings = ((HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, window_bytes), (TRUE_BINARY, 1))
        body = b"".join(key.to_bytes(2) + value.to_bytes(4) for key, value in settings)
        self._writer.write(PREFACE)
        self._send(SETTINGS, 0, 0, body)

    def call(self, method: str, request: bytes, metadata: Iterable[tuple[str, str]]) -> int:
        """Begin one call and send its only message; the id of its stream."""
        number = self.begin(method, metadata)
        self.send(number, announced(len(request)) + request, is_last=True)
        return number

    def begin(self, method: str, metadata: Iterable[tuple[str, str]]) -> int:
        """Begin one call and send no message yet; the id of its stream."""
        number, self._next_id = self._next_id, self._next_id + 2
        fields = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *metadata,
        )
        self._send(HEADERS, END_HEADERS, number, b"".join(_literal(*field) for field in fields))
        return number

    def send(self, number: int, piece: bytes, *, is_last: bool = False) -> None:
        """Send a piece of a message, of at most 16 KiB, without a look at the server's window."""
        self._send(DATA, END_STREAM if is_last else 0, number, piece)

    def cancel(self, number: int) -> None:
        """Leave one call."""
        self._send(RESET, 0, number, CANCELLED.to_bytes(4))

    def open_window(self, number: int) -> None:
        """Take whatever a stream has to send."""
        self._send(WINDOW_UPDATE, 0, 0, (WINDOW_MAX - 65_535).to_bytes(4))
        self._send(WINDOW_UPDATE, 0, number, WINDOW_MAX.to_bytes(4))

    def close(self) -> None:
        """Leave."""
        self._writer.close()

    async def until_ended(self, number: int) -> Stream:
        """The stream once its trailers have come, or a reset."""
        stream = self.streams[number]

        async def over() -> bool:
            return stream.ended or stream.reset

        await eventually(over)
        return stream

    async def listen(self) -> None:
        """Take in frames until the connection closes."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await self._reader.readexactly(9)
                body = await self._reader.readexactly(int.from_bytes(head[:3]))
                self._take(head[3], head[4], int.from_bytes(head[5:9]), body)

    def _take(self, kind: int, flags: int, number: int, body: bytes) -> None:
        stream = self.streams[number]
        if kind in (SETTINGS, PING) and not flags & ACK:
            self._send(kind, ACK, 0, body if kind == PING else b"")
        elif kind == DATA:
            stream.data += body
        elif kind == HEADERS:
            stream.headers.append(body)
        elif kind == RESET:
            stream.reset = True
        elif kind == GOAWAY:
            self.went_away = True
        if kind in (DATA, HEADERS):
            stream.ended = bool(flags & END_STREAM)

    def _send(self, kind: int, flags: int, number: int, body: bytes) -> None:
        head = len(body).to_bytes(3) + bytes((kind, flags)) + number.to_bytes(4)
        self._writer.write(head + body)


@asynccontextmanager
async def connected(port: int, *, window_bytes: int = 0) -> AsyncIterator[Connection]:
    """A connection to a server of this machine, until the block ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = Connection(reader, writer)
    connection.greet(window_bytes)
    listening = asyncio.create_task(connection.listen())
    try:
        yield connection
    finally:
        connection.close()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


def announced(message_bytes: int) -> bytes:
    """What stands before a message that is not compressed."""
    return b"\0" + message_bytes.to_bytes(4)


def _literal(name: str, value: str) -> bytes:
    """A header field that is in no table (RFC 7541 §6.2.2), not Huffman-coded."""
    return b"\0" + _sized(name.encode()) + _sized(value.encode())


def _sized(text: bytes) -> bytes:
    """A string literal (RFC 7541 §5.2): its length as an integer with a prefix of 7 bits."""
    if len(text) < 127:
        return bytes((len(text),)) + text
    rest, size = len(text) - 127, bytearray((127,))
    while rest >= 128:
        size.append(rest % 128 + 128)
        rest //= 128
    size.append(rest)
    return bytes(size) + text
