"""Images and documents are stored before the query that they came with is admitted.

Never in the batch of its admission: a file is written in chunks, each a command of its own, so that
the queries of others wait for one chunk at most. Until the query is recorded its files are held by
the process; the command that records it uses them, and what is neither is swept.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from chenu_server import asking, engine
from chenu_server.command import Answer, Writer
from chenu_server.errors import GovernanceUnavailable
from chenu_server.ids import new_id
from chenu_server.pipeline.conversation import Medium
from chenu_server.pipeline.media_records import (
    CHUNK_BYTES,
    FileChunk,
    StoredFile,
)
from chenu_server.pipeline.model import QueryRequest
from chenu_server.values import replace

# As many chunks may be in one batch, so many files at a time are written.
CHUNKS_AT_A_TIME: Final = 2


class FileReader(Protocol):
    """Reads what is stored of files."""

    async def read(self, identity_id: str, sha256: str, offset: int, size: int) -> bytes:
        """The bytes of a file from `offset` on, at most `size`; fewer at its end."""
        ...


class Room(Protocol):
    """What may be held of requests at a time."""

    def take(self, owner: str, bytes_: int) -> None:
        """
        Count bytes; `give` is owed.

        Raises:
            ServerOverloaded: There is no room for them.
        """
        ...

    def give(self, owner: str, bytes_: int) -> None:
        """They count no longer."""
        ...


class HoldFiles:
    """Hold files, and find out which of them are not stored yet."""

    def __init__(
        self, identity_id: str, hold_id: str, owner_id: str, digests: Sequence[bytes]
    ) -> None:
        self._plain = {
            "identity_id": identity_id,
            "hold_id": hold_id,
            "owner_id": owner_id,
            "digests": digests,
        }

    def asked(self) -> engine.Command:
        """For the kernel."""
        return engine.Command({"HoldFiles": self._plain}, asking.NO_RULES)

    def outcome(self, answer: Answer) -> frozenset[bytes]:
        """Those that are missing."""
        return frozenset(map(bytes.fromhex, answer.more["digests"]))


class KeepChunk:
    """Store one chunk of a held file, and with the last one that the file is whole.

    Only while it is held: who was taken for dead has lost what he had stored before, and would
    call a file whole whose beginning is gone.
    """

    def __init__(self, hold_id: str, chunk: FileChunk, whole: StoredFile | None) -> None:
        self._hold_id = hold_id
        self._chunk = chunk
        self._whole = whole

    def asked(self) -> engine.Command:
        """For the kernel."""
        plain = {
            "hold_id": self._hold_id,
            "chunk": self._chunk,
            "whole": self._whole,
        }
        return engine.Command({"KeepChunk": plain}, asking.NO_RULES)

    def outcome(self, answer: Answer) -> bool:
        """Whether it is written."""
        return bool(answer.more["done"])


class FileKeeper:
    """The pipeline's `Files`."""

    def __init__(self, writer: Writer, reader: FileReader, room: Room, *, owner_id: str) -> None:
        self._writer = writer
        self._reader = reader
        self._room = room
        self._owner_id = owner_id
        self._holds: set[str] = set()
        self._turns = asyncio.Semaphore(CHUNKS_AT_A_TIME)

    def is_held(self, hold_id: str) -> bool:
        """Whether this process still has this hold."""
        return hold_id in self._holds

    @asynccontextmanager
    async def held(self, identity_id: str, files: Sequence[Medium]) -> AsyncIterator[None]:
        """
        Files, one at least, are stored inside the block, and afterwards if a query uses them.

        Raises:
            GovernanceUnavailable, ServerOverloaded: They cannot be stored now.
        """
        hold_id = new_id()
        # Before the command: a sweep that finds its rows must find it here.
        self._holds.add(hold_id)
        try:
            digests = [bytes.fromhex(file.sha256) for file in files]
            # Also of files that are stored already: whoever else holds one may let go of it before
            # this query is recorded.
            missing = await self._writer.submit(
                HoldFiles(identity_id, hold_id, self._owner_id, digests)
            )
            for file in files:
                if bytes.fromhex(file.sha256) in missing:
                    await self._keep(identity_id, hold_id, file)
            yield
        finally:
            # Its rows are left to the sweep, which has to end those of dead processes as well.
            self._holds.discard(hold_id)

    @asynccontextmanager
    async def filled(self, identity_id: str, request: QueryRequest) -> AsyncIterator[QueryRequest]:
        """
        A stored request with the bytes of its files, which count as held inside the block.

        Raises:
            GovernanceUnavailable: One of them cannot be read, or is not what it was.
            ServerOverloaded: There is no room for them.
        """
        files = request.conversation.files
        if not files:
            yield request
            return
        size = sum(file.size for file in files)
        # Before any byte is read: there has to be room for what comes into memory.
        self._room.take(identity_id, size)
        try:
            data = {file.sha256: await self._read(identity_id, file) for file in files}
            yield replace(request, conversation=request.conversation.with_data(data))
        finally:
            self._room.give(identity_id, size)

    async def _read(self, identity_id: str, file: Medium) -> bytes:
        data = await self._reader.read(identity_id, file.sha256, 0, file.size)
        # Tens of megabytes take longer than the loop may stand still.
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        # An approval is bound to the digest: other bytes under it must not go to a provider.
        if digest != file.sha256:
            raise GovernanceUnavailable
        return data

    async def _keep(self, identity_id: str, hold_id: str, file: Medium) -> None:
        for command in chunks_of(identity_id, hold_id, file):
            async with self._turns:
                # Swept as a dead process's: with what is left the file would not be whole.
                if not await self._writer.submit(command):
                    raise GovernanceUnavailable


def chunks_of(identity_id: str, hold_id: str, file: Medium) -> Iterator[KeepChunk]:
    """The commands that store a file, in order."""
    assert file.data is not None, "who sends a file has its bytes"
    sha256 = bytes.fromhex(file.sha256)
    for offset in range(0, file.size, CHUNK_BYTES):
        end = offset + CHUNK_BYTES
        chunk = FileChunk(
            identity_id=identity_id, sha256=sha256, offset=offset, data=file.data[offset:end]
        )
        whole = StoredFile(identity_id=identity_id, sha256=sha256, size=file.size)
        # Whole only with its last chunk, in the same commit: what a crash cuts off is nobody's
        # file.
        yield KeepChunk(hold_id, chunk, whole if end >= file.size else None)
