"""What is stored of images and documents: files by what they are, and who needs them.

A file belongs to one identity, which stores it once however often it is sent: nobody can find out
by sending a file whether another identity has it. It is held while its query waits to be admitted,
used from the command on that records the query, and swept once it is neither.
"""

from __future__ import annotations

from typing import Final

from chenu_server.command import Key
from chenu_server.values import dataclass

# Small enough that a batch which holds one is not noticed by those who wait for it.
CHUNK_BYTES: Final = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that is whole: every chunk of it was committed before."""

    identity_id: str
    sha256: bytes
    size: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChunk:
    """A piece of a file at its offset, of `CHUNK_BYTES` but for the last."""

    identity_id: str
    sha256: bytes
    offset: int
    data: bytes

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.sha256, self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """A file that a process needs for a query which is not admitted yet."""

    hold_id: str
    sha256: bytes
    identity_id: str
    owner_id: str

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.hold_id, self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedFile:
    """A file that a recorded query was asked with."""

    identity_id: str
    sha256: bytes
    request_id: str

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.sha256, self.request_id)
