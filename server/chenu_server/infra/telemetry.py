"""Logs: JSON lines, or colours on a terminal, each with its call's method and trace, no secret."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from threading import Lock
from typing import Any, Final, TextIO

import structlog
from pydantic_core import to_json

from chenu_server.infra.rpc.context import CALL

REDACTED: Final = "[redacted]"
SECRET_LENGTH_MIN: Final = 6  # a shorter one would redact words
KNOWN_LENGTH_MAX: Final = 128

# Keys whose text is secret whatever it looks like.
_KEY: Final = re.compile(
    r"(?:^|[_.-])(?:authorization|token|secret|password|passwd|api[_-]?key|cookie|credentials?)$",
    re.IGNORECASE,
)
# Texts that look like a secret wherever they stand: JWTs, bearer headers, provider keys, the
# password of a URL.
_SHAPES: Final = (
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|[Bb][Ee][Aa][Rr][Ee][Rr] +[\w.~+/-]{8,}=*"
    r"|\b(?:sk|pk|xai|gsk|pplx|csk|fw|r8)[-_][\w-]{12,}"
    r"|\bAIza[\w-]{20,}"
    r"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"
)

Event = MutableMapping[str, Any]


_OF_MANY_LINES: Final = frozenset({"exception", "stack"})
# How a level is named where a logger's method is named otherwise.
_LEVELS: Final = {"exception": "error", "warn": "warning"}


class Redaction:
    """Takes secrets out of everything that is logged: known values, secret keys, known shapes.

    And controls, for strangers write what an operator reads on a terminal: none is obeyed.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Take these out too, from now on."""
        self._secrets.update(it for it in secrets if len(it) >= SECRET_LENGTH_MIN)
        # The longest are tried first: one that another begins with would leave that one's rest to
        # be read.
        known = sorted(self._secrets, key=len)
        secret = re.compile("|".join([*map(re.escape, reversed(known)), _SHAPES]))
        self._text = partial(secret.sub, REDACTED)
        # Identities, principals, peers and outcomes are a few texts that come again and again.
        self._known_line = lru_cache(maxsize=4_096)(self._line)

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        """The structlog processor. Runs after exceptions became text."""
        known = self._known_line
        for name, value in event.items():
            if type(value) is int:  # most values are short numbers and words
                continue
            if type(value) is str and len(value) <= KNOWN_LENGTH_MAX:
                event[name] = known(name, value)
            else:
                event[name] = self._line(name, value)
        return event

    def _line(self, name: str, value: Any) -> Any:
        shown = self._shown(name, value)
        if isinstance(shown, str) and not shown.isprintable() and name not in _OF_MANY_LINES:
            return "".join(
                one if one.isprintable() else one.encode("unicode_escape").decode() for one in shown
            )
        return shown

    def _shown(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return REDACTED if _KEY.search(name) is not None else self._text(value)
        if isinstance(value, bool | int | float | None):
            return value
        if isinstance(value, Mapping):
            return {str(key): self._shown(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._shown(name, inner) for inner in value]
        return self._shown(name, str(value))


_redaction: Final = Redaction()


def learn(secrets: Iterable[str]) -> None:
    """Leave these out of the log too, from now on: a reload may bring new keys."""
    _redaction.learn(secrets)


def configure(
    *, level: str = "info", as_json: bool | None = None, secrets: Iterable[str] = ()
) -> None:
    """Set up structlog and the standard library's logging, to stderr. Call it once, at start.

    Args:
        level: debug, info, warning or error.
        as_json: One JSON object a line; None: unless stderr is a terminal.
        secrets: Values that never appear, whatever they look like.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    if as_json is None:
        as_json = not sys.stderr.isatty()
    _redaction.learn(secrets)
    last: Any = _json_line if as_json else structlog.dev.ConsoleRenderer()
    stream = _LossyStream(sys.stderr)
    lines = _Lines(stream)
    structlog.configure(
        processors=[_prepared, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(number, stream, last)


# One processor for all that is done to a line: each call has one, and seven cost it twice as much.
def _prepared(logger: Any, method: str, event: Event) -> Event:
    """A line without secrets, with its call, level and time."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    event = _redaction(logger, method, event)
    # What follows is ours, word for word: no secret can be in it.
    call = CALL.get(None)
    if call is not None:
        event.setdefault("method", call.method)
        event["trace_id"], event["span_id"] = call.trace_id, call.span_id
    event["level"] = _LEVELS.get(method, method)
    event["timestamp"] = _time_text(time.time_ns() // 1_000)
    return event


def _time_text(unix_us: int) -> str:
    """A time as RFC 3339 spells it; microseconds only where there are any."""
    second, us = divmod(unix_us, 1_000_000)
    return f"{_second_text(second)}.{us:06}Z" if us else f"{_second_text(second)}Z"


@lru_cache(maxsize=2)
def _second_text(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat().removesuffix("+00:00")


class _Lines:
    """Where structlog writes finished lines, whatever their level."""

    def __init__(self, stream: _LossyStream) -> None:
        self._stream = stream
        self._lock = Lock()

    def msg(self, line: str) -> None:
        """Write one line whole, whichever thread it comes from."""
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warn = warning = error = critical = fatal = exception = msg


class _LossyStream:
    """The log's stream. A reader that went away or a full disk costs lines, and no call."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write what can be written."""
        try:  # not `suppress`, which costs more than most writes
            self._stream.write(text)
        except OSError:
            return

    def flush(self) -> None:
        """Flush what can be written."""
        try:
            self._stream.flush()
        except OSError:
            return


def _route_standard_logging(level: int, stream: _LossyStream, last: Any) -> None:
    """Libraries log through `logging`; the same processors see what they say."""
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_prepared], processors=[remove, last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def _json_line(_logger: Any, _method: str, event: Event) -> str:
    try:
        return to_json(event, fallback=str).decode()
    except ValueError:  # a lone surrogate, or bytes that are no text
        return json.dumps(event, default=str)
