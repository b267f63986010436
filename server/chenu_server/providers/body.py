"""JSON bodies and their size, which bounds the tokens that a request can cost."""

from __future__ import annotations

import json
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from chenu_server.providers.model import ChatRequest

# All of a body but its texts and the model's name: field names, cap, stream options.
_FRAME_BYTES = 192
_MESSAGE_BYTES = 48

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def body_of(fields: dict[str, Any]) -> bytes:
    """The body as it is sent: UTF-8, not escaped to ASCII, which would be larger."""
    return _encode(fields).encode()


def body_bytes_max(request: ChatRequest) -> int:
    """A bound of the body's bytes on either wire, at most a few hundred above them."""
    size = _FRAME_BYTES + text_bytes(request.model) + text_bytes(request.system)
    for message in request.messages:
        size += _MESSAGE_BYTES + text_bytes(message.text)
    return size


@lru_cache(maxsize=16)
def text_bytes(text: str) -> int:
    """The bytes of `text` as a JSON string in UTF-8, exactly.

    Remembered: the same text is asked for each candidate model of a query, and 50,000
    characters take about 100 µs.
    """
    return len(encode_basestring(text).encode())
