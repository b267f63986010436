"""The writer's thread: takes what waits, commits it, and finds its way back after a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from chenu_server import engine, failpoints
from chenu_server.command import Moment
from chenu_server.ids import new_id
from chenu_server.infra.db.batch import Batch, Ledger
from chenu_server.infra.db.clock import ALARM_US, BatchClock
from chenu_server.infra.db.intake import Job, WriterLimits
from chenu_server.infra.db.kernel import Kernel
from chenu_server.infra.db.ledger_tables import BATCHES_MAP, BatchRow
from chenu_server.infra.db.session import (
    BatchFailed,
    Begun,
    CannotBegin,
    CannotConnect,
    CannotWrite,
    CommitUnknown,
    ConnectionLost,
    Session,
    SessionError,
    StatementFailed,
    Store,
    Write,
)

log = structlog.get_logger(__name__)

Committed = Callable[[Sequence[Job], Batch], None]
Refused = Callable[[Sequence[Job]], None]

# A batch is run again once: after that its callers are told, and may ask again.
_ATTEMPTS = 2


class Committer:
    """Commits batches on one session. All but `healthy` belongs to the writer's thread.

    `committed` and `refused` tell a batch's end, in the event loop; every job meets exactly one of
    them.
    """

    def __init__(
        self,
        store: Store,
        kernel: Kernel,
        ledger: Ledger,
        limits: WriterLimits,
        *,
        committed: Committed,
        refused: Refused,
        reconnected: Callable[[], None] = lambda: None,
    ) -> None:
        self.clock = BatchClock()
        self._store = store
        self._kernel = kernel
        self._ledger = ledger
        self._retry_s = limits.reconnect_delay_ms / 1_000
        self._probe_s = limits.probe_ms / 1_000
        self._tend_s = limits.tend_ms / 1_000
        self._committed = committed
        self._refused = refused
        self._completions: engine.Completions | None = None
        self._reconnected = reconnected
        self._session: Session | None = None
        self._unknown: tuple[Sequence[Job], Batch] | None = None
        self._down = True
        # When it must be known again that decisions can be recorded.
        self._doubt_at_s = 0.0
        self._tend_at_s = 0.0

    @property
    def healthy(self) -> bool:
        """Whether decisions can be recorded now, as far as is known."""
        return not self._down

    def connect(self) -> None:
        """Open the session, for the first time.

        Raises:
            CannotConnect: As named.
        """
        self._session = self._store.connect()
        try:
            # Begun once for its clock: sleepers and sweeps ask for the time before any batch has
            # run.
            self._tell_time(self._session.begin())
            self._session.rollback()
        except SessionError as error:
            raise CannotConnect(str(error)) from error
        self._down = False
        self._proved()

    def _tell_time(self, begun: Begun) -> Moment:
        last_us = begun.head.last_time_us if begun.head else 0
        return self.clock.moment(begun.clock_us, begun.mono_ns, last_us)

    def run(self, intake: engine.Intake, completions: engine.Completions) -> None:
        """Commit until the intake is closed and empty."""
        self._completions = completions
        try:
            while (jobs := self._taken(intake, completions)) is not None:
                again = self._resolved()
                # First those of a COMMIT that has not happened: they have waited for longest.
                for batch in (again, jobs):
                    if batch:
                        self._commit(batch)
                self._look_after()
        finally:
            self._end()

    def _taken(
        self, intake: engine.Intake, completions: engine.Completions
    ) -> Sequence[Job] | None:
        """What waits and must be committed from here; None: the intake is closed and empty.

        Where the store can, all that goes as it should is committed inside, and this thread does
        not meet the interpreter for as long.
        """
        whole = self._whole()
        if whole is None:
            return intake.take(self._patience_s())
        now_s = time.monotonic()
        why, what, proved_ago_s = whole.serve(
            intake,
            names=(self._ledger.number, self._ledger.origin, self._ledger.writer_id),
            clock=self.clock.kernel,
            completions=completions,
            answer=self._served,
            odd=(self.clock.alarmed, ALARM_US),
            within_s=(self._tend_at_s - now_s, self._doubt_at_s - now_s, self._probe_s),
        )
        if proved_ago_s is not None:
            self._doubt_at_s = time.monotonic() - proved_ago_s + self._probe_s
        if why == "closed":
            return None
        # Run inside and not committed as it should be: from here on that is dealt with like the
        # failure of any other batch.
        if len(what) == 3:
            jobs, batch_id, found = what
            self._commit(jobs, Batch([job.asked for job in jobs], batch_id=batch_id, found=found))
            return []
        return what[0] if what else []

    def _whole(self) -> engine.SqliteSession | None:
        """What serves by itself, while nothing is in doubt and nobody has to look on."""
        if self._down or self._unknown is not None or failpoints.any_armed():
            return None
        try:
            return self._session.whole(self._kernel.tables) if self._session else None
        except SessionError:
            return None  # what a batch meets there it can be told

    def _served(self, jobs: Sequence[Job], batch: engine.Batch, now: tuple[int, int]) -> None:
        """In the event loop: a batch has been committed without this thread."""
        done = Batch([job.asked for job in jobs])
        done.decided(self._kernel.of(batch, now))
        self._committed(jobs, done)

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        """Behind all that the kernel has told the loop by itself: batches are told in order."""
        assert self._completions is not None, "a committer runs before it has something to tell"
        self._completions.send(partial(call, *args))

    def _patience_s(self) -> float:
        """How long to wait for work before something else is due."""
        if self._down or self._session is None or self._unknown is not None:
            return self._retry_s
        return max(self._doubt_at_s - time.monotonic(), 0.0)

    def _look_after(self) -> None:
        """What is due whether or not anybody asks."""
        now_s = time.monotonic()
        if self._down or now_s >= self._doubt_at_s:
            self._probe()
        if self._session is not None and now_s >= self._tend_at_s:
            self._tend_at_s = now_s + self._tend_s
            self._session.tend()

    def _probe(self) -> None:
        """Write as a batch does: only that tells whether a decision could be recorded now."""
        session = self._session or self._reconnect()
        # A probe writes the very row by which the COMMIT without an answer will be looked up.
        if session is None or self._unknown is not None:
            return
        try:
            now = self._tell_time(session.begin())
            row = BatchRow(self._ledger.writer_id, new_id(), now.now_us)
            session.write([Write(BATCHES_MAP, engine.Rows([row]))])
            session.commit()
            # And begin as a batch does: where that has a connection of its own, it may fail alone.
            Batch([]).run(session, self._kernel, self._ledger, self.clock)
        except SessionError as error:
            self._disconnect("probe_failed", error)
            self._down = True
        else:
            self._proved()

    def _proved(self) -> None:
        if self._down:
            log.info("decisions_can_be_recorded")
        self._down = False
        self._doubt_at_s = time.monotonic() + self._probe_s

    def _commit(self, jobs: Sequence[Job], begun: Batch | None = None) -> None:
        """Commit jobs as one batch, perhaps begun already; again, each apart, if one fails."""
        apart = False
        for _ in range(_ATTEMPTS):
            session = self._session or self._reconnect()
            # While a COMMIT is unknown, another one would hide what became of it.
            if session is None or self._unknown is not None or not jobs:
                break
            batch = begun or Batch([job.asked for job in jobs], apart=apart)
            begun = None
            try:
                batch.run(session, self._kernel, self._ledger, self.clock)
            except StatementFailed as error:
                log.warning("statement_failed", commands=len(jobs), error=str(error))
                apart = True
                continue
            # No command is to blame, so there is none to leave out: run again, it would fail alike.
            except BatchFailed as error:
                log.error("batch_failed", commands=len(jobs), error=str(error))
                break
            # Not tried again: the database would say the same at once, and until something has been
            # written again health says that nothing can be decided.
            except (CannotBegin, CannotWrite) as error:
                self._disconnect("database_refuses", error)
                self._down = True
                break
            # Nothing of it has happened, so that it simply runs again, perhaps on another server.
            except ConnectionLost as error:
                self._disconnect("connection_lost", error)
                continue
            except CommitUnknown as error:
                self._disconnect("commit_unknown", error)
                self._unknown = jobs, batch
                jobs = self._resolved()
                continue
            else:
                # Waits, repeats and conflicts write nothing, and a full disk answers them as well.
                if batch.has_written:
                    self._proved()
                self._tell(self._committed, jobs, batch)
            return
        self._refuse(jobs)

    def _refuse(self, jobs: Sequence[Job]) -> None:
        """Tell them, and find out at once whether the next would fare better."""
        self._doubt_at_s = 0.0
        self._tell(self._refused, jobs)

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
            self._tell(self._committed, jobs, batch)
            return []
        # Whoever was told meanwhile that it could not be recorded must not find it recorded.
        return [job for job in jobs if not job.abandoned]

    def _reconnect(self) -> Session | None:
        try:
            self._session = self._store.connect()
        except CannotConnect as error:
            if not self._down:
                log.warning("database_unreachable", error=str(error))
            self._down = True
            return None
        # It may be another server than before, to which whoever else is connected has to follow.
        self._reconnected()
        if not self._down:
            log.info("database_reconnected")
        return self._session

    def _disconnect(self, event: str, error: Exception) -> None:
        """Throw the session away; told once for each time that the database is away."""
        if not self._down:
            log.warning(event, error=str(error))
        self._close_session()

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None

    def _end(self) -> None:
        self._down = True
        if self._unknown is not None:
            # Nobody is left to find out what became of it; under the same ids its callers can.
            self._tell(self._refused, self._unknown[0])
        self._close_session()
