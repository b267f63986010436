"""Small images and documents, made by hand."""

from __future__ import annotations

import struct
import zlib
from typing import Final


def png(width: int = 3, height: int = 2, filler: bytes = b"") -> bytes:
    """A whole PNG; `filler` stands in a chunk that nobody reads."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (width + 1) * height) if width * height < 10_000 else b""
    chunks = ((b"IHDR", header), (b"fiLl", filler), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def jpeg(width: int = 3, height: int = 2) -> bytes:
    """The head of a JPEG, with what stands before its size."""
    before = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    frame = struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\0"
    return b"\xff\xd8" + before + b"\xff\xc0" + frame + b"\xff\xd9"


def gif(width: int = 3, height: int = 2) -> bytes:
    """The head of a GIF."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def webp(width: int = 3, height: int = 2) -> bytes:
    """The head of an extended WebP."""
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", 10) + canvas
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


PDF: Final = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
