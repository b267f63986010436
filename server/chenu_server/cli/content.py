"""What an approval binds, as a person reads it: each thing under a line that nobody can forge."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chenu_server.cli.output import IN_PROSE, visible

if TYPE_CHECKING:
    from chenu.api.governance.v1 import checkpoint_service_pb2

# In front of every line that somebody else wrote, and of no other.
MARGIN: Final = "| "


@dataclass(frozen=True)
class Thing:
    """One thing whole, joined of its pieces."""

    kind: str
    id: str
    media_type: str
    data: bytes


async def joined(
    pieces: AsyncIterator[checkpoint_service_pb2.ContentPiece],
) -> AsyncIterator[Thing]:
    """Whole things of pieces that come in order."""
    from chenu.api.governance.v1 import checkpoint_service_pb2
    from chenu.names import name_of

    data = b""
    async for piece in pieces:
        data += piece.data
        if len(data) == piece.size:
            kind = name_of(checkpoint_service_pb2.ContentKind, piece.kind)
            yield Thing(kind, piece.id, piece.media_type, data)
            data = b""


def lines_of(thing: Thing) -> Iterator[str]:
    """A thing's own line, then its lines behind the margin, every control in them made visible."""
    name = f"{thing.kind} {thing.id}".strip()
    yield visible(f"{name}  {thing.media_type}  {len(thing.data)} bytes")
    for line in _text(thing).split("\n"):
        yield f"{MARGIN}{visible(line, IN_PROSE)}"


def _text(thing: Thing) -> str:
    text = thing.data.decode("utf-8", errors="backslashreplace")
    if thing.media_type != "application/json":
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:  # a person reads what is there all the same
        return text
