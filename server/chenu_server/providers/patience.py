"""How long an answer may say nothing, and what of it says something.

A proxy or a provider keeps a connection open with comments, pings and empty deltas, also where
the model behind it has died: bytes alone prove nothing.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import aiohttp

from chenu_server.engine import AnswerDecoder
from chenu_server.providers import failures
from chenu_server.providers.model import ProviderRecord

# A line as long as this is not looked into: nothing that only keeps a connection open is.
_KEPT_BYTES: Final = 1_024
# Where both wires put what they say; who speaks and of what kind it is stands there unasked.
_FILLED: Final = ("choices", "delta", "content_block")
_LABELS: Final = frozenset({"role", "type"})


class Silence:
    """Ends a body that says nothing for too long.

    One timer for the whole answer: what is heard only moves the time at which it would be too
    long, and the timer looks at that when it rings. Each event costs a look at the clock.
    """

    __slots__ = ("_between_s", "_content", "_due", "_has_begun", "_loop", "_timer", "waiting")

    def __init__(
        self,
        content: aiohttp.StreamReader,
        record: ProviderRecord,
        first_due: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._content = content
        self._between_s = record.between_events_timeout_ms / 1_000
        self._due = first_due
        self._has_begun = False
        self._loop = loop
        self._timer: asyncio.Handle = self._loop.call_at(first_due, self._ring)
        self.waiting = False  # for the provider: while its reader is away, it is not the silent one

    def broken(self) -> None:
        """Something was heard just now."""
        self._due = self._loop.time() + self._between_s
        if not self._has_begun:  # the first wait may be the longer one
            self._has_begun = True
            self._arm()

    def end(self) -> None:
        """Nothing more is waited for."""
        self._timer.cancel()

    def _arm(self) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        if not self.waiting:
            self._due = max(self._due, self._loop.time() + self._between_s)
        if self._loop.time() < self._due:
            self._arm()
        else:  # a process that stood still has unread events: those come first
            self._timer = self._loop.call_soon(self._give_up)

    def _give_up(self) -> None:
        if not self.waiting or self._loop.time() < self._due:
            self._ring()
        else:
            silent = failures.no_next_event if self._has_begun else failures.no_first_event
            # Into the stream that is being read: whoever waits for its next bytes gets this, and
            # nobody else has to be found.
            self._content.set_exception(silent())


class Hearing:
    """Says of each piece of a body whether it says something, beside the decoder that reads it."""

    def __init__(self, decoder: AnswerDecoder, *, is_stream: bool) -> None:
        self._decoder = decoder
        self._is_stream = is_stream
        self._has_begun = False
        self._counted = (0, 0, 0, 0, 0)
        self._line = b""  # as much of it as has come

    def hears(self, chunk: bytes, *, brought: bool) -> bool:
        """Whether the answer goes on; `brought` says that the decoder has made something of it.

        The calls of tools show there only once they are whole, so they are looked for here. A
        count of tokens alone is no beginning: the input's is told before a model has thought.
        """
        if brought:  # of every delta, so no more is done than must be
            self._line = b"" if chunk.endswith(b"\n") else _unended(chunk)
            self._has_begun = True
            return True
        counts, says = self._counts(), self._says(chunk)
        self._has_begun |= says
        return says or (counts and self._has_begun)

    def _says(self, chunk: bytes) -> bool:
        if not self._is_stream:
            return bool(chunk.strip())
        *lines, rest = (self._line + chunk).replace(b"\r", b"\n").split(b"\n")
        self._line = rest[:_KEPT_BYTES]
        return any(map(_line_says, lines)) or _is_long(rest)

    def _counts(self) -> bool:
        usage = self._decoder.usage
        counted = (
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.cache_write_hour_tokens,
        )
        before, self._counted = self._counted, counted
        return before != counted


def _unended(chunk: bytes) -> bytes:
    return chunk[chunk.rfind(b"\n") + 1 :][:_KEPT_BYTES]


def _line_says(line: bytes) -> bool:
    """Whether a line of an event stream holds a word of the answer, or a part of a call."""
    if _is_long(line):
        return True
    field, _, data = line.partition(b":")
    if field != b"data":
        return False
    try:
        event = json.loads(data)
        return isinstance(event, dict) and any(_is_filled(event.get(name)) for name in _FILLED)
    except (ValueError, RecursionError):
        return False


def _is_long(line: bytes) -> bool:
    return len(line) >= _KEPT_BYTES and not line.startswith(b":")


def _is_filled(value: Any) -> bool:
    """Whether there is a text in it that is no label."""
    if isinstance(value, list):
        return any(map(_is_filled, value))
    if isinstance(value, dict):
        return any(_is_filled(each) for name, each in value.items() if name not in _LABELS)
    return isinstance(value, str) and value != ""
