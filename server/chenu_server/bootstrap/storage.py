"""The database, and who this process is to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack

import structlog
from sqlalchemy.exc import DBAPIError

from chenu_server.bootstrap.decisions import Live, limit_of
from chenu_server.command import Row
from chenu_server.config import Settings
from chenu_server.governance.budgets import tables as budget_tables
from chenu_server.governance.budgets.spending_store import SqlSpendings
from chenu_server.governance.checkpoints import tables as checkpoint_tables
from chenu_server.governance.checkpoints.inbox import Inbox
from chenu_server.governance.checkpoints.store import SqlCheckpoints
from chenu_server.governance.identity import tables as identity_tables
from chenu_server.governance.limits import tables as limit_tables
from chenu_server.governance.limits.store import SqlSlots
from chenu_server.governance.tools import tables as tool_tables
from chenu_server.governance.tools.store import SqlToolCalls
from chenu_server.ids import new_id
from chenu_server.infra.db import migrate, one_ledger, pooler
from chenu_server.infra.db.fleet import Fleet
from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.owners import Owner, acquire_owner
from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.stores import store_at
from chenu_server.infra.db.urls import is_sqlite
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.operations.alarms import tell_overruns
from chenu_server.operations.late import LateCommits
from chenu_server.operations.reads import GovernedQueries
from chenu_server.pipeline import media_tables
from chenu_server.pipeline import tables as pipeline_tables
from chenu_server.pipeline.hub import LogHub
from chenu_server.pipeline.media_store import SqlFiles
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.store import SqlQueries
from chenu_server.values import dataclass

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The database, and who this process is to it."""

    writer: SqlWriter
    reader: Reader
    owner: Owner
    hub: LogHub
    inbox: Inbox
    fleet: Fleet | None
    """Reaches the other processes; None where there can be none."""
    renewals: list[Callable[[], None]]
    """Called in the writer's thread when it has connected anew, perhaps to another server."""
    served: asyncio.Event
    """Set once calls are taken: from then on rows may name the owner."""

    @property
    def ready(self) -> bool:
        """Whether decisions can be made here now, as far as is known."""
        return self.writer.healthy and self.owner.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What is read outside any command."""

    queries: SqlQueries
    checkpoints: SqlCheckpoints
    slots: SqlSlots
    governed: GovernedQueries
    files: SqlFiles
    spendings: SqlSpendings
    tool_calls: SqlToolCalls


async def open_storage(settings: Settings, stack: AsyncExitStack) -> Storage:
    """
    Connect, become the owner, begin to write; closed with the stack.

    Raises:
        SchemaMismatch: The database is not at this server's revision.
        StoreInUse: Another process serves this SQLite file, or the database's ledger is another.
        UnfitPooler: A pooler that breaks sessions stands before the database.
        DatabaseUnavailable, GovernanceUnavailable: The database does not answer.
    """
    url, loop = settings.database.url, asyncio.get_running_loop()
    await loop.run_in_executor(None, _check, url, settings.ledger.number)
    lease_ms, renew_ms = settings.owners.lease_s * 1_000, settings.owners.renew_s * 1_000
    with migrate.answering():
        owner = await loop.run_in_executor(None, acquire_owner, url, lease_ms, renew_ms)
    served = asyncio.Event()
    # Pushed before whatever writes in its name, so that it goes after all of that has ended: with
    # its lock let go too early, another would take over rows that are still being written.
    stack.push_async_callback(_leave, owner, served)
    reader = Reader(url, threads=settings.database.reader_threads)
    stack.push_async_callback(reader.close)
    hub, inbox = LogHub(), Inbox()
    # Whatever else is connected follows the writer to where writes are taken.
    renewals: list[Callable[[], None]] = [reader.renew]
    writer = await _begun_writer(settings, owner, _teller(hub, inbox), renewals)
    stack.push_async_callback(writer.close)
    fleet = _fleet_of(url, owner.owner_id, stack)
    if fleet is not None:
        renewals.append(fleet.renew)
    return Storage(
        writer=writer,
        reader=reader,
        owner=owner,
        hub=hub,
        inbox=inbox,
        fleet=fleet,
        served=served,
        renewals=renewals,
    )


async def _begun_writer(
    settings: Settings,
    owner: Owner,
    on_commit: Callable[[Sequence[Row]], None],
    renewals: Sequence[Callable[[], None]],
) -> SqlWriter:
    """The writer, connected."""
    number, origin = settings.ledger.number, settings.ledger.origin
    late = LateCommits()
    writer = SqlWriter(
        store_at(settings.database.url, ledger_number=number, owner=owner),
        [
            *pipeline_tables.MAPS,
            *media_tables.MAPS,
            *budget_tables.MAPS,
            # Made here, for the budgets know nothing of the pipeline, under whose rows holds stand.
            budget_tables.holds_map(pipeline_tables.QUERIES_MAP),
            *limit_tables.MAPS,
            *checkpoint_tables.MAPS,
            *tool_tables.MAPS,
            *identity_tables.MAPS,
        ],
        limits=WriterLimits(
            queue_max=settings.writer.queue_max,
            batch_max=settings.writer.batch_max,
            note_delay_ms=settings.writer.note_delay_ms,
            probe_ms=settings.writer.probe_ms,
        ),
        ledger_number=number,
        on_commit=on_commit,
        on_record=tell_overruns,
        on_late=late.on_late,
        on_reconnect=lambda: _call(renewals),
        new_origin=lambda: origin or f"chenu/{new_id()}",
    )
    # Before it starts: a commit whose outcome is learnt late may be this writer's very first.
    late.attach(writer)
    await writer.start()
    return writer


def _teller(hub: LogHub, inbox: Inbox) -> Callable[[Sequence[Row]], None]:
    """What is told of each commit of this process."""

    def told(rows: Sequence[Row]) -> None:
        hub.on_commit(rows)
        if inbox.is_followed:
            for row in rows:
                # Whatever becomes of a checkpoint is written together with what waits there.
                if isinstance(row, Operation) and row.checkpoint_id:
                    inbox.changed(row.identity_id)

    return told


def _call(calls: Iterable[Callable[[], None]]) -> None:
    for each in calls:
        each()


def _fleet_of(url: str, owner_id: str, stack: AsyncExitStack) -> Fleet | None:
    """What reaches other processes; a SQLite file is served by one."""
    if is_sqlite(url):
        return None
    fleet = Fleet(url, owner_id)
    stack.push_async_callback(fleet.close)
    return fleet


def _check(url: str, ledger_number: int) -> None:
    """Whether this database can be served at all; what it is asked first is what else rests on."""
    with migrate.answering():
        # First of all: behind a pooler that parts sessions, no lock that is taken later protects
        # anything.
        pooler.check(url)
    migrate.check(url)
    with migrate.answering():
        one_ledger.check(url, ledger_number)


async def _leave(owner: Owner, served: asyncio.Event) -> None:
    """Let go of the database. Who never served has left nothing that others must look for."""
    loop = asyncio.get_running_loop()
    if not served.is_set():
        try:
            await loop.run_in_executor(None, owner.withdraw)
        except DBAPIError as error:
            _log.warning("owner_left_behind", owner_id=owner.owner_id, error=str(error))
    # In any case: with the lock free, others may look for what was left.
    await loop.run_in_executor(None, owner.close)


def stores_of(live: Live, storage: Storage) -> Stores:
    """What is read outside any command, on the reader's threads."""
    queries = SqlQueries(storage.reader)
    checkpoints = SqlCheckpoints(storage.reader)
    slots = SqlSlots(
        storage.reader,
        limit_of=lambda provider: limit_of(live.settings, provider).requests,
        ledger_number=live.settings.ledger.number,
    )
    governed = GovernedQueries(queries, checkpoints, slots)
    return Stores(
        queries=queries,
        checkpoints=checkpoints,
        slots=slots,
        governed=governed,
        files=SqlFiles(storage.reader),
        spendings=SqlSpendings(
            storage.reader,
            operations=pipeline_tables.QUERIES,
            contents=pipeline_tables.QUERY_CONTENTS,
        ),
        tool_calls=SqlToolCalls(
            storage.reader,
            operations=pipeline_tables.QUERIES,
            contents=pipeline_tables.QUERY_CONTENTS,
        ),
    )
