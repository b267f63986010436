"""Wire to model, for images and documents: each file is what it says it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from chenu.api.pipeline.v1 import conversation_pb2 as pb
from chenu_server.engine import look
from chenu_server.errors import InvalidField
from chenu_server.pipeline.conversation import Medium, Part
from chenu_server.vocabulary import PartKind

FILES_MAX: Final = 64
NAME_MAX: Final = 256

_URL: Final = re.compile(r"https://[!-~]{1,2032}")
_TYPES: Final = {
    PartKind.IMAGE: ("image/png", "image/jpeg", "image/gif", "image/webp"),
    PartKind.DOCUMENT: ("application/pdf",),
}


def image_from(image: pb.Image, *, cached: bool) -> Part:
    """
    An image, looked at.

    Raises:
        InvalidField: It is not of its type, or is in no place.
    """
    return Part(kind=PartKind.IMAGE, text="", media=_medium(PartKind.IMAGE, image), cached=cached)


def document_from(document: pb.Document, *, cached: bool) -> Part:
    """
    A document, looked at; its name is its text.

    Raises:
        InvalidField: It is not of its type, or is in no place, or its name is too long.
    """
    if len(document.name) > NAME_MAX:
        raise InvalidField("messages.parts.document.name", f"at most {NAME_MAX} characters")
    medium = _medium(PartKind.DOCUMENT, document)
    return Part(kind=PartKind.DOCUMENT, text=document.name, media=medium, cached=cached)


def media_bytes(messages: Iterable[pb.ChatMessage]) -> int:
    """How many bytes of a request are files'."""
    return sum(
        len(part.image.data) + len(part.document.data)
        for message in messages
        for part in message.parts
        if part.WhichOneof("content") in ("image", "document")
    )


def _medium(kind: PartKind, file: pb.Image | pb.Document) -> Medium:
    field = f"messages.parts.{kind}"
    match file.WhichOneof("source"):
        case "url":
            if not _URL.fullmatch(file.url):
                text = "is no https:// address of at most 2,040 visible ASCII characters"
                raise InvalidField(f"{field}.url", text)
            if file.media_type:
                raise InvalidField(f"{field}.media_type", "is the provider's to find out")
            return Medium(url=file.url)
        case "data":
            return _looked_at(kind, file.media_type, file.data)
        case _:
            raise InvalidField(field, "has neither data nor url")


def _looked_at(kind: PartKind, media_type: str, data: bytes) -> Medium:
    field = f"messages.parts.{kind}"
    if media_type not in _TYPES[kind]:
        raise InvalidField(f"{field}.media_type", f"is none of {', '.join(_TYPES[kind])}")
    # The bytes are believed and not the word: by what a file is and how large its picture, tokens
    # are counted, and a provider would look as well.
    found = look(data)
    if found is None or found[0] != media_type:
        is_what = f"these bytes are {found[0]}" if found else "these bytes are no such file"
        raise InvalidField(f"{field}.data", f"says {media_type}, but {is_what}")
    _, width, height = found
    return Medium(
        media_type=media_type,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        width=width,
        height=height,
        data=data,
    )
