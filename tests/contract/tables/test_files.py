"""Files of queries on both stores: whole or not there, held while a query waits, swept after."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.owners import Owner, acquire_owner
from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.operations.media import FileKeeper, HoldFiles, chunks_of
from chenu_server.pipeline.conversation import ChatMessage, Conversation, Medium, Part
from chenu_server.pipeline.media_records import CHUNK_BYTES, UsedFile
from chenu_server.pipeline.media_store import FileSweep, SqlFiles
from chenu_server.pipeline.model import QueryRequest
from chenu_server.vocabulary import MessageRole, PartKind
from tests.contract.tables.samples import MAPS
from tests.contract.tables.stores import Put, put
from tests.stores import store_at

LARGE = bytes(range(256)) * (CHUNK_BYTES // 100)  # more than two chunks


def medium(data: bytes) -> Medium:
    """A file as it came with a request."""
    return Medium(
        media_type="image/png",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        data=data,
    )


def asked(*files: Medium, request_id: str = "q") -> QueryRequest:
    """A request with these files."""
    parts = tuple(Part(kind=PartKind.IMAGE, text="", media=file) for file in files)
    return QueryRequest(
        request_id=request_id,
        conversation=Conversation(messages=(ChatMessage(MessageRole.USER, parts),)),
    )


def use(url: str, request: QueryRequest) -> None:
    """A query is recorded, as far as files are concerned."""
    used = [
        UsedFile(
            identity_id="acme", sha256=bytes.fromhex(file.sha256), request_id=request.request_id
        )
        for file in request.conversation.files
    ]
    put(url, Put(rows=tuple(used)))


@dataclass
class Room:
    """Room for all."""

    held: int = 0

    def take(self, owner: str, bytes_: int) -> None:
        """Count them."""
        self.held += bytes_

    def give(self, owner: str, bytes_: int) -> None:
        """Count them no longer."""
        self.held -= bytes_


@dataclass
class Worker:
    """One process on a database."""

    url: str
    writer: SqlWriter
    reader: Reader
    owner: Owner
    keeper: FileKeeper
    sweep: FileSweep
    room: Room

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with writer_engine(self.url).begin() as connection:
            return int(connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Whole files, chunks, and holds."""
        tables = ("stored_files", "file_chunks", "held_files")
        whole, chunks, held = map(self.count, tables)
        return whole, chunks, held


Open = Callable[[], Any]


async def opened(url: str, owner: Owner) -> Worker:
    """A process with this owner's name."""
    writer = SqlWriter(store_at(url), MAPS)
    await writer.start()
    reader = Reader(url, threads=2)
    room = Room()
    keeper = FileKeeper(writer, SqlFiles(reader), room, owner_id=owner.owner_id)
    sweep = FileSweep(url, reader, owner.owner_id, keeper.is_held)
    return Worker(url, writer, reader, owner, keeper, sweep, room)


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[Worker]:
    """A process on each store in turn."""
    running = await opened(database_url, acquire_owner(database_url))
    yield running
    await running.writer.close()
    await running.reader.close()
    running.owner.close()


async def test_a_file_is_read_back_whole_and_by_pieces(worker: Worker) -> None:
    """From any byte to any other, over the bounds of chunks."""
    file = medium(LARGE)
    async with worker.keeper.held("acme", [file]):
        pass
    files = SqlFiles(worker.reader)

    for offset, size in (
        (0, len(LARGE)),
        (0, 1),
        (CHUNK_BYTES - 1, 2),
        (CHUNK_BYTES, CHUNK_BYTES),
        (len(LARGE) - 1, 10),
        (len(LARGE), 1),
    ):
        assert LARGE[offset : offset + size] == await files.read("acme", file.sha256, offset, size)
    assert b"" == await files.read("globex", file.sha256, 0, 10)


async def test_a_stored_request_gets_the_bytes_of_its_files_back(worker: Worker) -> None:
    """Each its own, however often it stands in the conversation."""
    first, second = medium(LARGE), medium(b"small")
    async with worker.keeper.held("acme", [first, second]):
        pass
    bare = asked(*(Medium(sha256=it.sha256, size=it.size) for it in (second, first, second)))

    async with worker.keeper.filled("acme", bare) as filled:
        held = worker.room.held

    assert (len(LARGE) + 5, 0) == (held, worker.room.held)
    found = [part.media.data for part in filled.conversation.messages[0].parts if part.media]
    assert [b"small", LARGE, b"small"] == found


async def test_a_file_that_is_not_what_it_was_is_not_given_to_a_model(worker: Worker) -> None:
    """A person approved those bytes and no others."""
    file = medium(LARGE)
    async with worker.keeper.held("acme", [file]):
        pass
    with writer_engine(worker.url).begin() as connection:
        connection.execute(
            sa.text('UPDATE file_chunks SET data = :data WHERE "offset" > 0'), {"data": b"other"}
        )

    with pytest.raises(GovernanceUnavailable):
        async with worker.keeper.filled("acme", asked(file)):
            pass
    assert 0 == worker.room.held


async def test_what_is_held_is_not_swept_and_what_is_used_stays(worker: Worker) -> None:
    """A query may wait to be admitted for as long as it likes."""
    used, unused = medium(LARGE), medium(b"unused")
    async with worker.keeper.held("acme", [used, unused]):
        assert 0 == await worker.sweep.sweep()
        await asyncio.to_thread(use, worker.url, asked(used))
    before = worker.counts

    ended = await worker.sweep.sweep()

    assert (2, 4, 2) == before
    assert (2, (1, 3, 0)) == (ended, worker.counts)


async def test_a_file_that_another_query_holds_or_uses_outlives_the_first(worker: Worker) -> None:
    """It is stored once for all of them."""
    file = medium(b"shared")
    async with worker.keeper.held("acme", [file]):
        async with worker.keeper.held("acme", [file]):
            pass
        await worker.sweep.sweep()
        whole, _, held = worker.counts
        await asyncio.to_thread(use, worker.url, asked(file, request_id="other"))
    await worker.sweep.sweep()

    assert (1, 1) == (whole, held)
    assert (1, 1, 0) == worker.counts


async def test_one_identitys_file_is_not_anothers(worker: Worker) -> None:
    """Neither kept for it nor deleted with it."""
    file = medium(b"both have it")
    async with worker.keeper.held("acme", [file]):
        async with worker.keeper.held("globex", [file]):
            stored = worker.counts[0]
        await worker.sweep.sweep()

        assert (2, (1, 1, 1)) == (stored, worker.counts)


async def test_what_a_dead_process_held_is_swept_once_it_is_struck_off(
    database_url: str, worker: Worker
) -> None:
    """Also a file of which it had stored only the first chunk."""
    whole, part = medium(LARGE), medium(b"x" * (CHUNK_BYTES + 1))
    with writer_engine(database_url).begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO owners (owner_id, lock_key, label, started_us)"
                " VALUES ('dead', 1, 'dead', 1)"
            )
        )
    dead = FileKeeper(worker.writer, SqlFiles(worker.reader), worker.room, owner_id="dead")
    async with dead.held("acme", [whole, part]):
        with writer_engine(database_url).begin() as connection:
            connection.execute(sa.text('DELETE FROM file_chunks WHERE "offset" = 262144'))
        early = await worker.sweep.sweep()
        worker.owner.forget("dead")
        late = await worker.sweep.sweep()

    assert (0, 2) == (early, late)
    assert (0, 0, 0) == worker.counts


async def test_who_was_taken_for_dead_calls_no_file_whole(worker: Worker) -> None:
    """What it had stored before is gone; the next one that sends the file stores it again."""
    file = medium(LARGE)
    hold = HoldFiles("acme", "lost", "dead", [bytes.fromhex(file.sha256)])
    await worker.writer.submit(hold)
    first, *_, last = chunks_of("acme", "lost", file)
    written = [await worker.writer.submit(first)]

    await worker.sweep.sweep()
    written.append(await worker.writer.submit(last))
    lost = worker.counts
    async with worker.keeper.held("acme", [file]):
        again = worker.counts

    assert [True, False] == written
    assert ((0, 0, 0), (1, 3, 1)) == (lost, again)


async def test_more_holds_than_one_transaction_ends_are_swept_in_one_turn(worker: Worker) -> None:
    """Those that are still held, and are found first, hide none."""
    files = [medium(bytes([number])) for number in range(200)]
    async with worker.keeper.held("acme", files[:100]):
        async with worker.keeper.held("acme", files[100:]):
            pass

        assert 100 == await worker.sweep.sweep()
        assert (100, 100, 100) == worker.counts
