"""A picture to ask about."""

from __future__ import annotations

import struct
import zlib


def grey_square(edge: int) -> bytes:
    """A PNG of so many pixels along each edge, all of one grey."""
    header = struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * edge) * edge
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum
