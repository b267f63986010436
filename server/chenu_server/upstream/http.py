"""A lean HTTP/1.1 server connection: keep-alive, strict, one request at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

from chenu_server.values import dataclass

HEAD_BYTES_MAX = 32 * 1024
BODY_BYTES_MAX = 32 * 1024 * 1024

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; header names are lower case. The times are its first byte's."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    mono_ns: int
    wall_us: int


Serve = Callable[[Request, "Connection"], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, serve: Serve, opened: set[Connection]) -> None:
        self._serve = serve
        self._opened = opened
        self._buffer = bytearray()
        self._times: tuple[int, int] | None = None
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is here."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._opened.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left: what it waited for stops."""
        self._opened.discard(self)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """More bytes of a request."""
        if self._times is None:
            # By the first byte: when the loop came to read the rest says nothing of when the call
            # was sent.
            self._times = (time.monotonic_ns(), time.time_ns() // 1_000)
        self._buffer += data
        # What comes while one is answered waits: answers have the order of their requests.
        if self._task is None:
            self._next()

    def respond(
        self, status: int, body: bytes, headers: str = "", *, kind: str = "application/json"
    ) -> None:
        """A whole answer. `headers` are lines that end in CRLF, `kind` is its content type."""
        self._transport.write(
            _head(status, f"Content-Type: {kind}\r\n{headers}")
            + b"Content-Length: %d\r\n\r\n" % len(body)
            + body
        )

    def begin_stream(self, headers: str = "") -> None:
        """The head of a stream of events."""
        fixed = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        head = _head(200, fixed + headers)
        self._transport.write(head + b"\r\n")

    def chunk(self, data: bytes) -> None:
        """A piece of a stream."""
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end_stream(self, data: bytes = b"") -> None:
        """The last piece of a stream, and its end."""
        last = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        self._transport.write(last + b"0\r\n\r\n")

    def close(self) -> None:
        """Send what was written, then close."""
        self._transport.close()

    def _next(self) -> None:
        try:
            request = self._parse()
        except ValueError as error:
            self.respond(400, str(error).encode(), "Connection: close\r\n")
            self.close()
            return
        if request is not None:
            self._task = asyncio.ensure_future(self._run(request))

    async def _run(self, request: Request) -> None:
        try:
            await self._serve(request, self)
        except Exception:
            self.close()  # a defect of this server must not look like a slow provider
            raise
        self._task = None
        if request.headers.get("connection", "").lower() == "close":
            self.close()
        # What came while it was answered: no further bytes need come to wake it.
        elif self._buffer and not self._transport.is_closing():
            self._next()

    def _parse(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise ValueError("the head is too large")
            return None
        line, _, rest = bytes(self._buffer[:end]).decode("latin-1").partition("\r\n")
        headers = _headers_of(rest)
        length = _length_of(headers)
        if len(self._buffer) < end + 4 + length:
            return None
        method, path, version = _split(line)
        if version != "HTTP/1.1":
            raise ValueError("only HTTP/1.1 is spoken here")
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        times = self._times or (time.monotonic_ns(), time.time_ns() // 1_000)
        self._times = None
        return Request(method, path, headers, body, *times)


def _head(status: int, headers: str) -> bytes:
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n{headers}".encode("latin-1")


def _split(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3:
        raise ValueError("not a request line")
    return parts[0], parts[1], parts[2]


def _headers_of(text: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in text.split("\r\n") if text else ():
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip() or name in headers:
            raise ValueError("not a header, or one that came twice")
        headers[name] = value.strip()
    return headers


def _length_of(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise ValueError("a body needs a Content-Length")
    text = headers.get("content-length", "0")
    # `int` would take a sign and underscores too, and `isdigit` the digits of every script.
    if not text.isascii() or not text.isdigit() or int(text) > BODY_BYTES_MAX:
        raise ValueError("not a Content-Length, or too large")
    return int(text)
