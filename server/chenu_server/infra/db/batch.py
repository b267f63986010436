"""One transaction's worth of commands: decided, written and committed together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import structlog

from chenu_server import engine, failpoints
from chenu_server.command import Answer, Command, EntryDraft, Row
from chenu_server.errors import Internal
from chenu_server.ids import new_id
from chenu_server.infra.db.clock import BatchClock
from chenu_server.infra.db.kernel import Decisions, Kernel
from chenu_server.infra.db.ledger_tables import ZERO_HASH, HeadRow
from chenu_server.infra.db.session import (
    BatchFailed,
    CannotBegin,
    CannotWrite,
    CommitUnknown,
    Session,
    SessionError,
    StatementFailed,
    Write,
)
from chenu_server.values import dataclass, field

log = structlog.get_logger(__name__)

_FAILURES: Final[dict[str, type[SessionError]]] = {
    "batch_failed": BatchFailed,
    "cannot_begin": CannotBegin,
    "cannot_write": CannotWrite,
    "other_ledger": CannotBegin,
    "statement_failed": StatementFailed,
}


Ran = tuple[engine.Batch, tuple[int, int], int, int, str | None] | tuple[str, str]
"""What `SqliteSession.run` returns."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Which chain a writer continues, what a new one is called, and who writes."""

    number: int
    origin: str
    writer_id: str


class Decided(NamedTuple):
    """What a command came to: its outcome, or the error that takes its place."""

    outcome: Any
    error: Internal | None


@dataclass(slots=True)
class Batch:
    """Commands that are decided and committed together.

    One that its caller has left when the transaction is open is left out: it may have been told
    meanwhile that nothing is recorded. With `apart` each one's statements run by themselves, as its
    turn comes: one that fails is dropped, and the others commit. `found` is what came of a batch
    that the kernel has run already.
    """

    commands: Sequence[engine.Command]
    apart: bool = False
    batch_id: str = field(default_factory=new_id)
    found: Ran | None = None
    _decisions: Decisions | None = None

    def run(self, session: Session, kernel: Kernel, ledger: Ledger, clock: BatchClock) -> None:
        """Decide every command and commit what they leave.

        Raises:
            SessionError: Which one says whether the batch happened.
        """
        if self.found is not None:
            found, self.found = self.found, None
            self._take_in(found, kernel, clock)
            return
        whole = None if self.apart else session.whole(kernel.tables)
        if whole is not None:
            self._run_whole(whole, kernel, ledger, clock)
        else:
            self._run_in_steps(session, kernel, ledger, clock)

    def _run_whole(
        self, session: engine.SqliteSession, kernel: Kernel, ledger: Ledger, clock: BatchClock
    ) -> None:
        """In one call that never takes the interpreter, where the store can."""
        found = session.run(
            commands=self.commands,
            names=(ledger.number, ledger.origin, ledger.writer_id, self.batch_id),
            clock=clock.kernel,
            # A file has no clock of its own: whichever of the two is wrong on purpose, the kernel
            # reads one.
            shift_us=failpoints.shift_us("clock.offset") + failpoints.shift_us("clock.database"),
            # Only where a test has armed one: to be called back takes the interpreter, which a
            # batch never meets else.
            before_commit=partial(self._hit, "before_commit") if failpoints.any_armed() else None,
        )
        self._take_in(found, kernel, clock)

    def _take_in(self, found: Ran, kernel: Kernel, clock: BatchClock) -> None:
        if len(found) == 2:
            failure, why = found
            raise _FAILURES[failure](why)
        batch, now, behind_us, jumped_us, unknown = found
        clock.alarm(behind_us, jumped_us)
        # Also of a COMMIT that failed: should it have happened, these are its answers.
        self.decided(kernel.of(batch, now))
        if unknown is not None:
            raise CommitUnknown(unknown)
        if self.has_written:
            self._committed()

    @property
    def has_written(self) -> bool:
        """Whether it left anything, once it has run."""
        return self._decisions is not None and not self._decisions.has_left_nothing

    def decided(self, decisions: Decisions) -> None:
        """It has been run elsewhere, and this is what it came to."""
        self._decisions = decisions

    def _run_in_steps(
        self, session: Session, kernel: Kernel, ledger: Ledger, clock: BatchClock
    ) -> None:
        """Statement by statement, on whatever database."""
        begun = session.begin()
        try:
            head = begun.head or HeadRow(ledger.number, ledger.origin, 0, ZERO_HASH, 0)
            now = clock.moment(begun.clock_us, begun.mono_ns, head.last_time_us)
            ending = engine.Ending(
                origin=head.origin,
                ledger_number=head.ledger_number,
                size=head.size,
                head=head.last_hash,
                writer_id=ledger.writer_id,
                batch_id=self.batch_id,
            )
            writes = self._decide(session, kernel.at(now, ledger.number), ending)
            if not self.has_written:
                # Waits, repeats and conflicts write nothing: they are not worth the disk's time for
                # a commit.
                session.rollback()
                return
            session.write(writes)
            self._hit("before_commit")
        except SessionError:
            raise
        # Whatever it is: a panic of the kernel is no Exception, and this thread has other batches.
        except BaseException as error:
            session.rollback()
            raise BatchFailed(repr(error)) from error
        # Outside of the block above, which would call any error a batch that has not happened: from
        # here on only the session knows.
        session.commit()
        self._committed()

    def _decide(
        self, session: Session, decisions: Decisions, ending: engine.Ending
    ) -> Sequence[Write]:
        """What is still to be written."""
        if self.apart:
            decisions = self._each_apart(session, decisions)
        commands = () if self.apart else self.commands
        # Sealed in the same call: the interpreter is let go of for it, and has to be waited for.
        writes = decisions.decide(commands, session, ending)
        self._decisions = decisions
        return writes

    def _each_apart(self, session: Session, decisions: Decisions) -> Decisions:
        """One after the other, each with statements of its own."""
        for command in self.commands:
            trial = decisions.copy()
            try:
                with session.apart():
                    session.write(trial.decide([command], session))
            except StatementFailed as error:
                log.error("command_failed", command=command.name, error=str(error))
                decisions.leave_out()
                continue
            # Only behind the savepoint: a later command must not build on rows whose statements
            # were undone.
            decisions = trial
        return decisions

    def published(self) -> Sequence[Row]:
        """What followers are given, in order, once it is committed."""
        return self._decisions.published() if self._decisions else ()

    def recorded(self) -> Sequence[EntryDraft]:
        """What the ledger has got, in order."""
        return self._decisions.recorded() if self._decisions else ()

    def outcome(self, place: int, command: Command[Any]) -> Decided:
        """What a command came to, once it is committed; told once."""
        assert self._decisions is not None, "a batch is answered once it has run"
        name = self.commands[place].name
        try:
            answer = self._decisions.answer(place)
            if isinstance(answer, Answer):
                return Decided(command.outcome(answer), None)
            log.error("command_dropped", command=name, error=answer)
        # It is committed all the same: what cannot be read is its own reader's trouble, and of
        # nobody else in the batch.
        except Exception as error:
            log.error("answer_unread", command=name, exc_info=error)
        return Decided(None, Internal())

    def stands(self, place: int) -> bool:
        """Whether a command was decided, and what it left is committed."""
        return self._decisions is not None and self._decisions.stands(place)

    def _committed(self) -> None:
        try:
            self._hit("after_commit")
        except failpoints.FailpointError as error:
            # As if the answer had been lost on its way, which is what this point is there to try
            # out.
            raise CommitUnknown(str(error)) from error

    def _hit(self, edge: str) -> None:
        for name in dict.fromkeys(command.name for command in self.commands):
            failpoints.hit(f"{name}.{edge}")
