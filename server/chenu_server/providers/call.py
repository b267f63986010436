"""One attempt on its way to a provider, and the connections that it travels on."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Coroutine
from typing import Final

from yarl import URL

from chenu_server.completions import taken_in_here
from chenu_server.engine import (
    AnswerForm,
    AnswerPiece,
    AnswerTold,
    CallLimits,
    Destination,
    Upstream,
    UpstreamCall,
)
from chenu_server.providers import failures
from chenu_server.providers.model import ChatRequest, ProviderFailure, ProviderRecord
from chenu_server.values import dataclass, field

_NAME_CHARACTERS_MAX = 256
_RETRY_HEADERS: Final = ("retry-after-ms", "Retry-After")


class Call:
    """One POST and its answer. Never repeated, never redirected."""

    __slots__ = ("_call", "_form", "_limits", "_on_dispatch", "_record")

    def __init__(
        self,
        record: ProviderRecord,
        request: ChatRequest,
        *,
        timeout_s: float,
        on_dispatch: Callable[[int], None],
    ) -> None:
        self._record = record
        self._form = AnswerForm(
            record.wire,
            declared=request.declared,
            format=request.format,
            schema=request.schema,
            ends_without_terminator=not record.terminator,
        )
        self._limits = CallLimits(
            # The deadline may have passed on the way here, and the core's times have no sign.
            timeout_us=int(max(timeout_s, 0) * 1_000_000),
            connect_timeout_ms=record.connect_timeout_ms,
            first_event_timeout_ms=record.first_event_timeout_ms,
            between_events_timeout_ms=record.between_events_timeout_ms,
        )
        self._on_dispatch = on_dispatch
        self._call: UpstreamCall | None = None

    def send(self, session: Upstream, to: Destination, body: bytes) -> None:
        """Have the request sent. Whatever comes of it, `receive` tells."""
        assert self._call is None, "it is sent once"
        self._call = session.ask(to, body, self._form, self._limits, self._on_dispatch)

    def receive(self) -> Coroutine[None, None, AnswerPiece]:
        """What has come since the last time, once there is anything."""
        assert self._call is not None, "receive() before send()"
        # The coroutine itself and none around it: this is asked for every piece of an answer.
        return next_of(self._call)

    def failure_of(self, end: AnswerPiece) -> ProviderFailure:
        """What it means that the call has ended so."""
        assert self._call is not None and end.end is not None
        if end.fault is not None:
            return failures.of_fault(end.fault)
        # A refusal says more than how its connection has ended.
        if (status := self._call.status) is not None and status != 200:
            return self._refusal(status, complete=end.end == "refused")
        return failures.of_end(end.end, dispatched=self._call.dispatched)

    def _refusal(self, status: int, *, complete: bool) -> ProviderFailure:
        assert self._call is not None
        headers = {name: self._call.header(name) for name in _RETRY_HEADERS}
        # Classified and dropped: it may quote the key.
        return failures.refused(status, headers, self._call.body, complete=complete)

    @property
    def told(self) -> AnswerTold | None:
        """What is known of the answer; None while there is none of status 200."""
        return None if self._call is None else self._call.told()

    @property
    def request_id(self) -> str:
        """How the provider names this call; empty if it has not said so."""
        if self._call is None:
            return ""
        return told_name(self._call.header(self._record.request_id_header))

    async def drain(self) -> None:
        """Wait, a moment at most, until a whole answer's connection can serve the next call."""
        assert self._call is not None
        while not self._call.is_settled:
            await _woken(self._call)

    def close(self) -> None:
        """Leave it: what has not left will not, and a connection that is not read out is closed."""
        if self._call is not None:
            self._call.close()


async def next_of(call: UpstreamCall) -> AnswerPiece:
    """What has come of a call since the last time, once there is anything."""
    while (piece := call.take()) is None:
        await _woken(call)
    return piece


async def _woken(call: UpstreamCall) -> None:
    waiter = asyncio.get_running_loop().create_future()
    # Else something has come since the look, and nobody would wake it for that again.
    if call.wake(waiter):
        await waiter


def told_name(text: str) -> str:
    """A name that a provider gave to something, or nothing where it is no name to be shown."""
    return text if len(text) <= _NAME_CHARACTERS_MAX and text.isprintable() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a provider's host is reached, where that is not straight and by the machine's trust."""

    proxy: str | None = field(default=None, repr=False)  # may hold a password
    certificates: bytes | None = field(default=None, repr=False)  # PEM, as they stand in a file


STRAIGHT: Final = Way()


def open_session(way: Way = STRAIGHT) -> Upstream:
    """The connections to one provider: no cookies, no proxy from the environment, bounded."""
    if way.proxy is None:
        return Upstream(taken_in_here(), certificates=way.certificates)
    proxy = URL(way.proxy)
    return Upstream(
        taken_in_here(),
        proxy=str(proxy.with_user(None)),
        proxy_authorization=_basic(proxy),
        certificates=way.certificates,
    )


def _basic(proxy: URL) -> str | None:
    """Who calls (RFC 7617), if the proxy's URL says so."""
    if proxy.user is None and proxy.password is None:
        return None
    pair = f"{proxy.user or ''}:{proxy.password or ''}"
    return "Basic " + b64encode(pair.encode("latin-1", "replace")).decode()
