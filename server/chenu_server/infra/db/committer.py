"""The writer's thread: takes what waits, commits it, and finds its way back after a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import structlog

from chenu_server.infra.db.batch import Batch, Ledger
from chenu_server.infra.db.intake import Intake, Job, WriterLimits
from chenu_server.infra.db.session import (
    CannotBegin,
    CannotConnect,
    CommitUnknown,
    ConnectionLost,
    Session,
    SessionError,
    StatementFailed,
    Store,
)
from chenu_server.infra.db.tablemap import Tables

log = structlog.get_logger(__name__)

Committed = Callable[[Sequence[Job], Batch], None]
Refused = Callable[[Sequence[Job]], None]

# A batch is run again once: after that its callers are told, and may ask again.
_ATTEMPTS = 2


class Committer:
    """Commits batches on one session. All but `healthy` belongs to the writer's thread.

    `committed` and `refused` tell a batch's end; every job meets exactly one of them.
    """

    def __init__(
        self,
        store: Store,
        tables: Tables,
        ledger: Ledger,
        limits: WriterLimits,
        *,
        committed: Committed,
        refused: Refused,
    ) -> None:
        self._store = store
        self._tables = tables
        self._ledger = ledger
        self._retry_s = limits.reconnect_delay_ms / 1_000
        self._committed = committed
        self._refused = refused
        self._session: Session | None = None
        self._unknown: tuple[Sequence[Job], Batch] | None = None
        self._down = True

    @property
    def healthy(self) -> bool:
        """Whether decisions can be recorded now, as far as is known."""
        return not self._down

    def connect(self) -> None:
        """Open the session.

        Raises:
            CannotConnect: As named.
        """
        try:
            self._session = self._store.connect()
        except CannotConnect:
            self._down = True
            raise
        self._down = False

    def run(self, intake: Intake) -> None:
        """Commit until the intake is closed and empty."""
        try:
            while (jobs := intake.take(None if self._ready() else self._retry_s)) is not None:
                again = self._resolved()
                for batch in (again, jobs):
                    if batch:
                        self._commit(batch)
        finally:
            self._end()

    def _ready(self) -> bool:
        return self._session is not None and self._unknown is None

    def _commit(self, jobs: Sequence[Job]) -> None:
        """Commit jobs as one batch, or one by one if a statement of theirs fails."""
        for _ in range(_ATTEMPTS):
            session = self._session or self._reconnect()
            # While a COMMIT is unknown, another one would hide what became of it.
            if session is None or self._unknown is not None or not jobs:
                break
            batch = Batch([job.unit for job in jobs], partial(_has_left, jobs))
            try:
                batch.run(session, self._tables, self._ledger)
            except StatementFailed as error:
                self._one_by_one(jobs, error)
            except CannotBegin as error:
                self._disconnect("cannot_begin", error)
                self._down = True
                break
            except ConnectionLost as error:
                self._disconnect("connection_lost", error)
                continue
            except CommitUnknown as error:
                self._disconnect("commit_unknown", error)
                self._unknown = jobs, batch
                jobs = self._resolved()
                continue
            else:
                self._committed(jobs, batch)
            return
        self._refused(jobs)

    def _one_by_one(self, jobs: Sequence[Job], error: StatementFailed) -> None:
        """Find the one that fails, and commit the others."""
        log.warning("batch_failed", units=len(jobs), error=str(error))
        if len(jobs) == 1:
            self._refused(jobs)
            return
        for job in jobs:
            self._commit([job])

    def _resolved(self) -> Sequence[Job]:
        """Learn what became of a COMMIT without an answer; the jobs that must run again.

        While the database is away nothing is known and nothing runs again; the callers' own
        time limits answer them.
        """
        session = self._session or self._reconnect()
        if session is None or self._unknown is None:
            return []
        jobs, batch = self._unknown
        try:
            happened = session.committed(self._ledger.writer_id, batch.batch_id)
        except SessionError as error:
            self._disconnect("commit_still_unknown", error)
            return []
        self._unknown = None
        log.info("commit_resolved", batch_id=batch.batch_id, happened=happened)
        if happened:
            self._committed(jobs, batch)
            return []
        return [job for job in jobs if not job.abandoned]

    def _reconnect(self) -> Session | None:
        was_down = self._down
        try:
            self.connect()
        except CannotConnect as error:
            if not was_down:
                log.warning("database_unreachable", error=str(error))
            return None
        log.info("database_reconnected")
        return self._session

    def _disconnect(self, event: str, error: Exception) -> None:
        log.warning(event, error=str(error))
        self._close_session()

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None

    def _end(self) -> None:
        self._down = True
        if self._unknown is not None:
            self._refused(self._unknown[0])
        self._close_session()


def _has_left(jobs: Sequence[Job], place: int) -> bool:
    return jobs[place].abandoned
