"""The writer as the event loop sees it: submit a command, get its outcome after its commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from chenu_server.command import Command, EntryDraft, Row
from chenu_server.completions import taken_in_here
from chenu_server.engine import Completions
from chenu_server.errors import GovernanceUnavailable, Internal, ServerOverloaded
from chenu_server.ids import new_id
from chenu_server.infra.db.batch import Batch, Decided, Ledger
from chenu_server.infra.db.committer import Committer
from chenu_server.infra.db.intake import Job, WriterLimits
from chenu_server.infra.db.kernel import Kernel
from chenu_server.infra.db.patience import Patience
from chenu_server.infra.db.session import CannotConnect, Store
from chenu_server.infra.db.tablemap import TableMap

log = structlog.get_logger(__name__)

OnCommit = Callable[[Sequence[Row]], None]
OnRecord = Callable[[Sequence[EntryDraft]], None]
OnLate = Callable[[str, Any], None]


class SqlWriter:
    """A `command.Writer` on SQLite or PostgreSQL. Made, started and closed in one event loop.

    Args:
        store: What to connect to.
        tables: Every kind of row that commands read or write.
        writer_id: Names this writer's batches; unique among all writers of the database.
        ledger_number: The chain it appends to.
        on_commit: Called in the loop with the committed rows of published tables, in order,
            before anybody of their batch is answered.
        on_record: Called in the loop with what a committed batch entered in the ledger, in order.
        on_late: Called in the loop with the name and the outcome of a command that was committed
            after its caller had left or had been told that it could not be; it stands.
        on_reconnect: Called in the writer's thread when it has found a database again, perhaps on
            another server than before.
        new_origin: Names the chain when the database has none yet.
    """

    def __init__(
        self,
        store: Store,
        tables: Sequence[TableMap[Any]],
        *,
        limits: WriterLimits | None = None,
        writer_id: str | None = None,
        ledger_number: int = 0,
        on_commit: OnCommit = lambda rows: None,
        on_record: OnRecord = lambda entries: None,
        on_late: OnLate = lambda name, outcome: None,
        on_reconnect: Callable[[], None] = lambda: None,
        new_origin: Callable[[], str] = lambda: f"chenu/{new_id()}",
    ) -> None:
        self._limits = limits or WriterLimits()
        self._intake = self._limits.intake()
        self._patience = Patience(self._limits.answer_within_ms)
        self._on_commit = on_commit
        self._on_record = on_record
        self._on_late = on_late
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._waking = False
        self._committer = Committer(
            store,
            Kernel(tables),
            Ledger(ledger_number, new_origin(), writer_id or new_id()),
            self._limits,
            committed=self._answer,
            refused=self._refuse,
            reconnected=on_reconnect,
        )
        self._thread: threading.Thread | None = None
        self._completions: Completions | None = None

    @property
    def healthy(self) -> bool:
        """Whether decisions can be recorded now, as far as is known."""
        return self._loop is not None and not self._closing and self._committer.healthy

    def now_us(self) -> int:
        """What a batch's time would be now: of a started writer, in Unix microseconds."""
        return self._committer.clock.now_us()

    @property
    def queued(self) -> int:
        """How many commands wait for the next batch."""
        return len(self._intake)

    async def start(self) -> None:
        """Connect and begin.

        Raises:
            GovernanceUnavailable: The database cannot be reached.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self._committer.connect)
        except CannotConnect as error:
            raise GovernanceUnavailable from error
        self._loop = loop
        self._completions = taken_in_here()
        self._thread = threading.Thread(
            target=self._committer.run,
            args=(self._intake, self._completions),
            name="chenu-writer",
            # Else a process that ends without `close` would wait for this thread for ever.
            daemon=True,
        )
        self._thread.start()

    async def close(self) -> None:
        """Refuse what comes from now on, commit what is queued, and end the thread."""
        if self._loop is None or self._thread is None or self._closing:
            return
        self._closing = True
        self._intake.close()
        await self._loop.run_in_executor(None, self._thread.join)
        # The last batch's answers were given before the thread ended: they are taken in here.
        if self._completions is not None:
            self._completions.drain()

    async def submit(self, command: Command[Any]) -> Any:
        """The command's outcome, after its commit.

        Raises:
            GovernanceUnavailable: It could not be recorded within `answer_within_ms`.
            ServerOverloaded: Too many wait already.
            Internal: It cannot be decided, which is a bug; nothing of it was written.
        """
        # At once: while nothing can be recorded, to wait would only use the caller's time up.
        if self._loop is None or not self.healthy:
            raise GovernanceUnavailable
        future: asyncio.Future[Any] = self._loop.create_future()
        # Nothing takes it out again: who leaves is passed over when its turn comes, and if it was
        # too late for that, `on_late` hears of it.
        job = _job(command, future)
        if not self._intake.put(job.asked, job):
            raise ServerOverloaded(self._limits.overload_retry_ms * 1_000, "decisions")
        self._patience.begin(job, self._loop)
        try:
            return await future
        finally:
            job.asked.leave()
            self._patience.end(job)

    def note(self, command: Command[Any]) -> None:
        """Decide a command ahead of the next batch; call it in the event loop.

        A note is lost when the database is away or as many wait as may.
        """
        if self._loop is None or self._closing:
            raise GovernanceUnavailable
        job = _job(command, None)
        if not self._intake.put_note(job.asked, job):
            log.warning("note_lost", command=job.asked.name)
        # One timer for all that come until then: mostly a batch takes them along before it rings.
        if not self._waking:
            self._waking = True
            self._loop.call_later(self._limits.note_delay_ms / 1_000, self._wake)

    def _wake(self) -> None:
        self._waking = False
        self._intake.wake_for_notes()

    def _answer(self, jobs: Sequence[Job], batch: Batch) -> None:
        # Followers first: a run whose end is answered looks at once whether its log has ended.
        self._guarded(lambda: self._on_commit(batch.published()))
        self._guarded(lambda: self._on_record(batch.recorded()))
        for place, job in enumerate(jobs):
            if job.future is None or not job.future.done():
                _resolve(job.future, batch.outcome(place, job.command))
            elif batch.stands(place):
                late = batch.outcome(place, job.command)
                if late.error is None:
                    self._guarded(partial(self._on_late, job.asked.name, late.outcome))
        self._taken_in()

    def _taken_in(self) -> None:
        """Let the thread go on behind those whom the answers have woken."""
        assert self._loop is not None
        self._loop.call_soon(self._intake.answered)

    def _refuse(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.future is None:
                log.warning("note_lost", command=job.asked.name)
            elif not job.future.done():
                job.future.set_exception(GovernanceUnavailable())
        self._taken_in()

    def _guarded(self, call: Callable[[], None]) -> None:
        """A listener's bug must not keep the batch's callers from their answers."""
        try:
            call()
        except Exception:
            log.exception("writer_listener_failed")


def _job(command: Command[Any], future: asyncio.Future[Any] | None) -> Job:
    try:
        return Job(command, command.asked(), future)
    except Exception as error:  # what no kernel takes is its command's bug
        log.exception("command_unasked", command=type(command).__name__)
        raise Internal from error


def _resolve(future: asyncio.Future[Any] | None, decided: Decided) -> None:
    if future is None:
        return
    if decided.error is None:
        future.set_result(decided.outcome)
    else:
        future.set_exception(decided.error)
