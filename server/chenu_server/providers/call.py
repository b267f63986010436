"""One attempt on its way to a provider, and the HTTP session that it travels on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from chenu_server.providers import failures
from chenu_server.providers.bodies import payload_of
from chenu_server.providers.model import ProviderFailure, ProviderRecord
from chenu_server.providers.patience import Silence
from chenu_server.values import dataclass, field

CONNECTIONS_MAX = 1_024
KEEP_ALIVE_S = 30.0
STREAM_BYTES_MAX = 64 << 20
REFUSAL_BYTES_MAX = 64 << 10

_DRAIN_TIMEOUT_S = 0.25
_NAME_CHARACTERS_MAX = 256


class Call:
    """One POST and its stream of events. Never repeated, never redirected."""

    __slots__ = (
        "_dispatched",
        "_first_due",
        "_first_event",
        "_loop",
        "_on_dispatch",
        "_received_bytes",
        "_record",
        "_response",
        "_silence",
        "_timeout",
    )

    def __init__(
        self, record: ProviderRecord, *, timeout_s: float, on_dispatch: Callable[[], None]
    ) -> None:
        # aiohttp would round deadlines above 5 s up to whole seconds, and takes 0 for "none".
        self._timeout = aiohttp.ClientTimeout(
            total=max(timeout_s, 1e-6),
            connect=record.connect_timeout_ms / 1_000,
            ceil_threshold=1e9,
        )
        self._record = record
        self._on_dispatch = on_dispatch
        self._dispatched = False
        self._loop = asyncio.get_running_loop()
        self._first_due = self._first_due_now()
        self._first_event = asyncio.timeout(None)  # until it leaves, the time to connect holds
        self._silence: Silence | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._received_bytes = 0

    async def open(
        self, session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.ClientResponse:
        """Send the request; back with the head of a 200 answer, whose stream is then open.

        Raises:
            ProviderFailure: There is no such answer.
        """
        try:
            async with self._first_event:
                response = self._response = await session.post(
                    url,
                    data=payload_of(body),
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,  # the key goes to the configured host and nowhere else
                    trace_request_ctx=self,
                )
        # `from None` throughout: an aiohttp error holds the request's headers, hence the key.
        except TimeoutError as error:
            raise self._timed_out(error) from None
        except aiohttp.ClientResponseError:
            raise failures.malformed("the answer is not HTTP") from None
        except (aiohttp.ClientError, OSError):
            raise failures.disconnected(dispatched=self._dispatched) from None
        if response.status != 200:
            body, complete = await self._read_out(response)
            failure = failures.refused(response.status, response.headers, body, complete=complete)
            failure.request_id = self.request_id
            try:
                raise failure
            finally:
                # Its stack holds the request, and a name for it here would be a cycle: what waits
                # for the garbage collector is counted by nobody.
                del failure
        self._silence = Silence(response.content, self._record, self._first_due, self._loop)
        return response

    @property
    def request_id(self) -> str:
        """How the provider names this call; empty if it has not said so."""
        if self._response is None:
            return ""
        return told_name(self._response.headers.get(self._record.request_id_header, ""))

    @property
    def is_stream(self) -> bool:
        """Whether the answer calls itself an event stream."""
        return self._response is not None and self._response.content_type == "text/event-stream"

    async def receive(self) -> bytes:
        """The next bytes of the body; none: it has ended cleanly.

        Raises:
            ProviderFailure: It broke.
        """
        assert self._response is not None and self._silence is not None, "receive() before open()"
        self._silence.waiting = True
        try:
            chunk = await self._response.content.readany()
        except TimeoutError:
            raise failures.timed_out(dispatched=True) from None
        except aiohttp.ClientPayloadError as error:
            unreadable = isinstance(error.__cause__, ContentEncodingError)
            if unreadable and not self._received_bytes:
                raise failures.no_answer() from None
            raise failures.truncated() from None
        except (aiohttp.ClientError, OSError):
            raise failures.truncated() from None
        finally:
            self._silence.waiting = False
        self._received_bytes += len(chunk)
        # An answer that never ends, be it of comments alone, must not go on for as long as the
        # deadline lets it.
        if self._received_bytes > STREAM_BYTES_MAX:
            raise failures.malformed(f"the stream is larger than {STREAM_BYTES_MAX} bytes")
        return chunk

    def heard(self) -> None:
        """What was received says something: the provider's time for the next event begins."""
        if self._silence is not None:
            self._silence.broken()

    async def drain(self) -> None:
        """Read past the terminator, so that the connection can serve the next call."""
        if self._response is None or self._response.content.at_eof():
            return
        try:
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError):
            return  # the answer is complete; `close` drops the connection

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end and it went back."""
        if self._silence is not None:
            self._silence.end()
        if self._response is not None:
            self._response.close()

    def sent(self) -> None:
        """The first byte leaves now."""
        if not self._dispatched:
            self._dispatched = True
            # From the dispatch on: the time that the connection took is none of the model's.
            self._first_due = self._first_due_now()
            self._first_event.reschedule(self._first_due)
            self._on_dispatch()

    def _first_due_now(self) -> float:
        return self._loop.time() + self._record.first_event_timeout_ms / 1_000

    def _timed_out(self, error: TimeoutError) -> ProviderFailure:
        """Which of the limits it was that passed before there was an answer."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return failures.not_connected()
        if self._first_event.expired():
            return failures.no_first_event()
        return failures.timed_out(dispatched=self._dispatched)

    async def _read_out(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        """A refusal's beginning, and whether all of it came: a whole one is free at any size.

        It is classified and dropped: it may quote the key.
        """
        body = bytearray()
        try:
            async with asyncio.timeout_at(self._first_due):
                # Read to its end though only the beginning is kept: that all of it came is what
                # makes it free.
                while chunk := await response.content.readany():
                    body += chunk[: REFUSAL_BYTES_MAX - len(body)]
        except (TimeoutError, aiohttp.ClientError, OSError):
            return bytes(body), False
        return bytes(body), response.content.at_eof()


def told_name(text: str) -> str:
    """A name that a provider gave to something, or nothing where it is no name to be shown."""
    return text if len(text) <= _NAME_CHARACTERS_MAX and text.isprintable() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a provider's host is reached, where that is not straight and by the machine's trust."""

    proxy: str | None = field(default=None, repr=False)  # may hold a password
    trust: ssl.SSLContext | None = None


STRAIGHT: Final = Way()


def open_session(way: Way = STRAIGHT) -> aiohttp.ClientSession:
    """A session for one provider: no cookies, no proxy from the environment, bounded."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=CONNECTIONS_MAX,
            keepalive_timeout=KEEP_ALIVE_S,
            ssl=True if way.trust is None else way.trust,
        ),
        proxy=way.proxy,
        # A cookie would tie together what different identities ask, at the provider's end.
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_dispatch_trace()],
    )


def _dispatch_trace() -> aiohttp.TraceConfig:
    """Tells a `Call` when it leaves.

    aiohttp raises this signal on an open connection, in the same step in which it then hands
    head and body to the transport: the recorded time is that of the write, to microseconds.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_chunk_sent.append(_on_chunk_sent)
    return trace


async def _on_chunk_sent(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestChunkSentParams,
) -> None:
    if context.trace_request_ctx is not None:  # a probe is no attempt
        context.trace_request_ctx.sent()
