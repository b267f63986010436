"""What an approval binds, as a person reads it: each thing under a line that nobody can forge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chenu_server.cli.new_file import new_file
from chenu_server.cli.output import IN_PROSE, visible
from chenu_server.values import dataclass

if TYPE_CHECKING:
    from chenu.api.governance.v1 import checkpoint_service_pb2

# In front of every line that somebody else wrote, and of no other.
MARGIN: Final = "| "
JSON: Final = "application/json"

_EXTENSIONS: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
}


@dataclass(frozen=True)
class Thing:
    """One thing whole, joined of its pieces."""

    kind: str
    id: str
    media_type: str
    data: bytes

    @property
    def is_file(self) -> bool:
        """Whether it is nothing that a terminal shows."""
        return not self.media_type.startswith(("text/", JSON))


async def joined(
    pieces: AsyncIterator[checkpoint_service_pb2.ContentPiece],
) -> AsyncIterator[Thing]:
    """Whole things of pieces that come in order."""
    from chenu.api.governance.v1 import checkpoint_service_pb2
    from chenu.names import name_of

    data = bytearray()
    async for piece in pieces:
        data += piece.data
        # The size is that of the whole thing, whichever piece tells it.
        if len(data) == piece.size:
            kind = name_of(checkpoint_service_pb2.ContentKind, piece.kind)
            yield Thing(kind, piece.id, piece.media_type, bytes(data))
            data.clear()


def lines_of(thing: Thing) -> Iterator[str]:
    """A thing's own line, then its lines behind the margin, every control in them made visible."""
    name = f"{thing.kind} {thing.id}".strip()
    yield visible(f"{name}  {thing.media_type}  {len(thing.data)} bytes")
    if thing.is_file:
        digest = hashlib.sha256(thing.data).hexdigest()
        yield f"{MARGIN}a file, not shown; --save DIRECTORY writes it (sha256 {digest})"
        return
    # JSON is no prose: an invisible character in a tool's argument makes it another one.
    kept = "" if thing.media_type == JSON else IN_PROSE
    for line in _text(thing).split("\n"):
        yield f"{MARGIN}{visible(line, kept)}"


def written(thing: Thing, directory: Path) -> Path:
    """Write a file under a name that it did not choose; an older one of that name stays."""
    extension = _EXTENSIONS.get(thing.media_type, "bin")
    path = directory / f"{thing.kind}-{thing.id.replace('/', '-')}.{extension}"
    with new_file(path) as file:
        file.write(thing.data)
    return path


def _text(thing: Thing) -> str:
    text = thing.data.decode("utf-8", errors="backslashreplace")
    if thing.media_type != JSON:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    # None, or too deep to be read: a person sees what is there all the same.
    except (ValueError, RecursionError):
        return text
