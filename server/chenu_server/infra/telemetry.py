"""Logs: JSON lines, or colours on a terminal, each with its call's method and trace, no secret."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache, partial
from typing import Any, Final, TextIO, cast

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


class Redaction:
    """Takes secrets out of everything that is logged: known values, secret keys, known shapes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Take these out too, from now on."""
        self._secrets.update(it for it in secrets if len(it) >= SECRET_LENGTH_MIN)
        known = sorted(self._secrets, key=len)
        secret = re.compile("|".join([*map(re.escape, reversed(known)), _SHAPES]))
        self._text = partial(secret.sub, REDACTED)
        # Identities, principals, peers and outcomes are a few texts that come again and again.
        self._known_text = lru_cache(maxsize=4_096)(self._text)

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        """The structlog processor. Runs after exceptions became text."""
        for name, value in event.items():
            if type(value) is not int:  # most values are short numbers and words
                event[name] = self._shown(name, value)
        return event

    def _shown(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            if _is_secret(name):
                return REDACTED
            return self._known_text(value) if len(value) <= KNOWN_LENGTH_MAX else self._text(value)
        if isinstance(value, bool | int | float | None):
            return value
        if isinstance(value, Mapping):
            return {str(key): self._shown(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._shown(name, inner) for inner in value]
        return self._shown(name, str(value))


@lru_cache(maxsize=1_024)
def _is_secret(name: str) -> bool:
    return _KEY.search(name) is not None


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
    before: list[Any] = [
        structlog.processors.format_exc_info,
        _redaction,
        _controls_shown,
        # What follows is ours, word for word: no secret can be in it.
        _bind_call,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any = structlog.dev.ConsoleRenderer()
    if as_json:
        last = structlog.processors.JSONRenderer(_json_line)
    stream = _LossyStream(sys.stderr)
    structlog.configure(
        processors=[*before, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, stream)),
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(number, stream, before, last)


def _controls_shown(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Strangers write what an operator reads on a terminal: no control of theirs is obeyed."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable() and name not in _OF_MANY_LINES:
            event[name] = "".join(
                one if one.isprintable() else one.encode("unicode_escape").decode() for one in value
            )
    return event


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


def _route_standard_logging(level: int, stream: _LossyStream, before: list[Any], last: Any) -> None:
    """Libraries log through `logging`; the same processors see what they say."""
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=[remove, last])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def _json_line(event: Event, **_: Any) -> str:
    try:
        return to_json(event, fallback=str).decode()
    except ValueError:  # a lone surrogate, or bytes that are no text
        return json.dumps(event, default=str)


def _bind_call(logger: Any, method: str, event: Event) -> Event:
    """Say which call a line belongs to."""
    call = CALL.get(None)
    if call is not None:
        event.setdefault("method", call.method)
        event["trace_id"], event["span_id"] = call.trace_id, call.span_id
    return event
