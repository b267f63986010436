"""Images and documents as parts of a user's message.

A file is sent as it is; what it is, its own first bytes say. The server refuses what is broken.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Final

from chenu.api.pipeline.v1.conversation_pb2 import Document, Image, Part

File = str | PathLike[str] | bytes
"""The path of a file, or its bytes."""

_PDF: Final = "application/pdf"
_IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


class UnknownFile(ValueError):
    """A file is none that a query can hold."""


def image(file: File) -> Part:
    """
    A PNG, JPEG, GIF or WebP file as a part of a message.

    Raises:
        UnknownFile: It is none of these.
        OSError: It cannot be read.
    """
    data = _bytes_of(file)
    for head, media_type in _IMAGES:
        if data.startswith(head):
            return Part(image=Image(data=data, media_type=media_type))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Part(image=Image(data=data, media_type="image/webp"))
    raise UnknownFile(f"{_name_of(file)}: neither PNG, JPEG, GIF nor WebP")


def document(file: File, name: str | None = None) -> Part:
    """
    A PDF file as a part of a message; without a `name` it is called as its file is.

    Raises:
        UnknownFile: It is none.
        OSError: It cannot be read.
    """
    data = _bytes_of(file)
    # Not only at the very beginning: writers of PDF put bytes before it, and readers take them so.
    if b"%PDF-" not in data[:1_024]:
        raise UnknownFile(f"{_name_of(file)}: no PDF")
    called = name if name is not None else "" if isinstance(file, bytes) else Path(file).name
    return Part(document=Document(data=data, media_type=_PDF, name=called))


def _bytes_of(file: File) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _name_of(file: File) -> str:
    return "these bytes" if isinstance(file, bytes) else str(file)
