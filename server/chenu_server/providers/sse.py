"""Server-sent events from raw bytes, and JSON text that was cut between them."""

from __future__ import annotations

import json
from typing import Any

from chenu_server.providers import failures

EVENT_BYTES_MAX = 1 << 20


class EventBuffer:
    """Cuts a byte stream into the data of its events (WHATWG HTML §9.2.6).

    Only `data` matters to the wires spoken here: their JSON names its own type.
    """

    __slots__ = ("_data", "_held_bytes", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._data: list[bytes] = []
        self._held_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that `chunk` completes.

        Raises:
            ProviderFailure: An event grew beyond `EVENT_BYTES_MAX`.
        """
        end = chunk.rfind(b"\n")
        if end < 0:
            self._tail += chunk
            self._check()
            return []
        lines = bytes(self._tail + chunk[:end]).split(b"\n")
        self._tail = bytearray(chunk[end + 1 :])
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                data = line[5:].strip()
                self._data.append(data)
                self._held_bytes += len(data)
                self._check()
            elif self._data and line in (b"", b"\r"):
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._held_bytes = 0
        return events

    def _check(self) -> None:
        if len(self._tail) + self._held_bytes > EVENT_BYTES_MAX:
            raise failures.malformed(f"one event is larger than {EVENT_BYTES_MAX} bytes")


class TextJoiner:
    """Makes whole characters of text whose surrogate pairs were cut between two events."""

    __slots__ = ("_high",)

    def __init__(self) -> None:
        self._high = ""

    def join(self, text: str) -> str:
        """`text` after what was held back; a lone surrogate becomes U+FFFD."""
        text, self._high = self._high + text, ""
        try:
            text.encode()
        except UnicodeEncodeError:
            return self._repair(text)
        return text

    def _repair(self, text: str) -> str:
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._high = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def json_object(data: bytes) -> dict[str, Any]:
    """The JSON object in an event.

    Raises:
        ProviderFailure: It is something else.
    """
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise failures.malformed("an event is not JSON") from None
    if not isinstance(value, dict):
        raise failures.malformed("an event is not a JSON object")
    return value


def token_count(usage: dict[str, Any], name: str) -> int:
    """A count of tokens in a usage object; one that is absent or null is zero.

    Raises:
        ProviderFailure: It is not a count.
    """
    value = usage.get(name)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise failures.malformed("the reported usage is not a count of tokens")
    return value
